"""Property tests draw the same bounded examples in every run: a failure is a fact, not luck."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "darkroom",
    derandomize=True,
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("darkroom")
