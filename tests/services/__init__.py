"""The real services that tests run against: Postgres, a Redis-compatible server, a browser, the application itself."""
