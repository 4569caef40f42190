"""The HTTP API of docs/protocol.md: the same functions as the sockets, over JSON and Server-Sent Events."""
