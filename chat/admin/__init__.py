"""The administrator's pages: what happened is looked at here, and taken away where it must go; nothing is edited.

Importing the modules registers their pages with Django's admin.
"""

from chat.admin import images, people, runs, threads

__all__ = ["images", "people", "runs", "threads"]
