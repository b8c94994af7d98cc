"""Whether the four promises were kept, image by image, by evidence alone: the standard library and the
evidence are all that is imported here."""

from tests.chaos.system.checker.judgement import PROMISES, breaches, by_letters, by_records
from tests.chaos.system.checker.table import table

__all__ = ["PROMISES", "breaches", "by_letters", "by_records", "table"]
