"""The agent: LangGraph, its tools and its models. Knows no Django model; what touches the world comes in by RunContext."""
