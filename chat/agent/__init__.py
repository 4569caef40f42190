"""The agent: LangGraph, its tools and its models. Knows no Django model: what touches the world comes in by RunContext.

history.py reads messages, resume.py finds where a run begins, stream.py tells what the graph does as events.
"""
