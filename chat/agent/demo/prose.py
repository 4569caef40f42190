"""The longer texts of the demo model: what it can do, Markdown to look at, and a few subjects."""

from __future__ import annotations

ABOUT_ME = """\
I am Backdrop's **demo model**: a small set of rules that comes with the application, not a language model. \
I recognise some requests and answer them; everything around me (the streaming, the tools, the memory, the \
pictures) is the real thing.

To talk to a real model, set `OPENAI_API_KEY`, or `OPENAI_BASE_URL` and `CHAT_MODEL` for any server that \
speaks OpenAI's protocol, and start Backdrop again."""

BLIND = "I see that you attached a picture, but the demo model cannot look at pictures. A real model can."

ABILITIES = """\
I am the demo model, so my list is short and exact:

- **Paint a picture**: “paint a red fox at sunset”, then “make it night” or “another like it”
- **Change the background**: “make the background deep blue”, “a gradient from teal to navy”, \
“use the last picture”, “no background”
- **Remember this conversation**: tell me your name, then ask for it; or “what did I ask first?”
- **Show Markdown**: headings, lists, a table, a quote, code in Python, JavaScript or SQL
- **Count**: “count to 200”
- **Write at length**: “write a long answer”, or “tell me about LangGraph”

Ask for anything else and I will tell you that I cannot do it."""

SAMPLES = {
    "headings": """\
# The first heading
A heading says what a part is about.

## A heading below it
### And one below that
Three levels are enough for most texts.""",
    "lists": """\
A list of things:

- a brush
- three colours
  - ochre
  - indigo
  - white
- a sheet of paper

And of steps, in their order:

1. Wet the paper.
2. Lay in the sky, from light to dark.
3. Wait. The waiting is part of it.

- [x] sky
- [ ] hills""",
    "table": """\
| Planet | Day | Moons |
|:--|--:|--:|
| Mercury | 176 days | 0 |
| Earth | 24 hours | 1 |
| Mars | 24 hours 37 minutes | 2 |
| Neptune | 16 hours | 16 |""",
    "quote": """\
> The best way out is always through.

Robert Frost, *A Servant to Servants*, 1914.""",
    "python": """\
Primes by the sieve of Eratosthenes, in Python:

```python
def primes(limit: int) -> list[int]:
    \"\"\"All primes up to and including the limit.\"\"\"
    is_prime = [False, False] + [True] * (limit - 1)
    for n in range(2, int(limit**0.5) + 1):
        if is_prime[n]:
            is_prime[n * n :: n] = [False] * len(is_prime[n * n :: n])
    return [n for n, prime in enumerate(is_prime) if prime]


print(primes(30))  # [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
```""",
    "javascript": """\
A function that waits until calls have stopped for a while, in JavaScript:

```js
export function debounce(call, milliseconds) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
}
```""",
    "sql": """\
The newest message of every thread, in SQL:

```sql
SELECT DISTINCT ON (thread_id) thread_id, text, created_at
FROM message
WHERE status = 'complete'
ORDER BY thread_id, created_at DESC;
```""",
}

TOPICS = {
    "backdrop": """\
## Backdrop

Backdrop is a chat application in which an agent works in the open. You see it think, call its tools \
and paint, \
and the page behind the conversation changes with what it makes.

Every conversation has an **event log** in Postgres. Whatever happens in it (a word of an answer, a \
tool that \
starts, a finished picture) is stored there under the next number and only then sent to your \
browser. A tab that \
lost its connection says the last number it saw and gets the rest. That is why you can close the \
laptop in the \
middle of an answer and open the phone: nothing is lost, and nothing comes twice.

The answer itself is written by a **run**, a job that belongs to no tab. It goes on when every tab \
is closed, and \
when its worker dies another one picks it up at its last checkpoint.""",
    "channels": """\
## Django Channels

Channels lets Django speak protocols that outlive a request, WebSockets above all. A *consumer* is \
to a socket what \
a view is to a request; a *channel layer* carries messages between consumers, within one process or \
through Redis, \
and *groups* address many of them at once.

A channel layer promises little: it may drop a message when a receiver is slow. Backdrop therefore \
never trusts it \
with anything. The layer only says that there is news; what the news is stands in Postgres.""",
    "langgraph": """\
## LangGraph

LangGraph runs an agent as a graph of steps over a shared state. One step asks the model, the next \
runs the tools it \
called, and so on until there is nothing left to call. After every step the state is saved as a \
**checkpoint**.

Checkpoints are what makes an agent durable. A run that was interrupted goes on from the last one; a \
question to a \
person can wait for days; and going back to an earlier one makes a branch of the conversation. \
Backdrop keeps them in \
Postgres and saves them before a tool starts, so that a repeated call finds its own result.""",
    "postgres": """\
## Postgres

PostgreSQL keeps everything here that must not be lost: messages, events, pictures' records, the job \
queue and the \
agent's checkpoints. What is written in one transaction is there as a whole or not at all, so a \
message is never \
acknowledged without the run that answers it.

`LISTEN` and `NOTIFY` wake the workers without polling, and row locks give every event of a \
conversation its own \
number. If you set no `DATABASE_URL`, Backdrop starts a Postgres of its own under its data folder \
and ends it with \
the application.""",
    "django": """\
## Django

Django is the web framework below all this: accounts and sessions, the models and their migrations, \
the pages, the \
administration under `/admin/`. Under ASGI the same application serves ordinary requests and, with Channels, \
WebSockets.""",
    "redis": """\
## Redis

Redis is optional here. With one process the channel layer lives in memory; with several, Redis \
carries the word \
that there is news from one to the others. It never holds the truth: if it is emptied or stops, the \
tabs read the \
event log in Postgres and end up with the same conversation.""",
    "websockets": """\
## WebSockets

A WebSocket is one connection over which both sides can speak at any time (RFC 6455). The page sends \
commands such \
as *send this message* or *stop*; the server sends numbered events. When the connection breaks, the \
page opens \
another one and names the last number it has.""",
}

_ALIASES = {
    "backdrop": ("backdrop", "this application", "this app", "yourself and this"),
    "channels": ("channels", "channel layer"),
    "langgraph": ("langgraph", "lang graph", "langchain", "checkpoints"),
    "postgres": ("postgres", "postgresql"),
    "django": ("django",),
    "redis": ("redis", "valkey"),
    "websockets": ("websocket", "websockets", "sockets"),
}


def topic(phrase: str) -> str | None:
    """What the model knows of a subject, or None."""
    words = phrase.lower()
    for name, aliases in _ALIASES.items():
        if any(alias in words for alias in aliases):
            return TOPICS[name]
    return None


def long_answer() -> str:
    """About 700 words of Markdown with a bit of everything."""
    parts = [
        "# How this conversation works",
        (
            "You asked for something long, so here is what I know best: the application you are looking at. "
            "The text is prepared, since I am the demo model and cannot write a new one."
        ),
        *TOPICS.values(),
        "## In short",
        _SUMMARY,
        "That is all of it. Ask me to paint something; it is more fun.",
    ]
    return "\n\n".join(parts)


_SUMMARY = """\
| Part | Keeps | May be lost |
|:--|:--|:--|
| Postgres | messages, events, checkpoints, jobs | no |
| Channel layer | nothing | yes |
| Browser tab | the last number it saw | yes |
| Worker | the step it works on | yes |"""
