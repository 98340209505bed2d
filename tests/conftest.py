"""For all tests: a property is never judged by how long the machine takes over it."""

from hypothesis import settings

settings.register_profile("tripod", deadline=None)
settings.load_profile("tripod")
