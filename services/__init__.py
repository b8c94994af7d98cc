"""The four services: `python -m services` is all of them in one process, `-m services.renderer` one."""
