"""The four services. `python -m services` is all of them in one process, `python -m services.renderer` one."""
