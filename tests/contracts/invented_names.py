"""Names that somebody might come with: any text, the traps of Unicode and of Cloudinary, and near misses."""
# ruff: noqa: RUF001 - letters that look like others are what is tested here

from hypothesis import strategies as st

from contracts import names
from contracts.limits import MAX_INDEX

TRAPS = [
    "",
    " ",
    "Işıl",
    "İSTANBUL",
    "ﬁlly",
    "Ａｒｅｇ",
    "Zoe\u0308",
    "a\u0301\u0327\u0323",
    "👩‍🚀",
    "Opal 🔥 Fever",
    "أوبال",
    "\u202eRevef lapO",
    "Opal\0Fever",
    "opal\n",
    "opal-fever\n",
    "\nopal",
    "²³",
    "١٢٣",
    "v12",
    "V12",
    "v１２",
    "w_100",
    "u_2",
    "_opal",
    "opal_",
    "-opal",
    "opal-",
    "--",
    "a/b",
    "..",
    "a.b",
    "opal?fever&#",
    "50% <opal>+\\",
    "images",
    "premade_characters",
    "Areg_opal_image_7",
    "x" * 101,
    "x" * 5000,
    "ß",
    "Dž",
    "\ufdfa",
]

LETTERS = "Aa0v_-"
usernames = st.one_of(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,110}", fullmatch=True),
    st.text(LETTERS, max_size=12),
    st.builds("{}{}{}".format, st.text(LETTERS, max_size=8), st.characters(), st.text(LETTERS, max_size=8)),
    st.text(),
    st.sampled_from(TRAPS),
)
character_names = st.one_of(
    st.from_regex(r"[A-Za-z0-9 '_.-]{1,110}", fullmatch=True),
    st.lists(st.sampled_from([*TRAPS, "Opal", "fever", "v", "7"]), max_size=4).map(" ".join),
    st.text(LETTERS + " '", max_size=12),
    st.text(),
    st.sampled_from(TRAPS),
)
collections = st.sampled_from(names.COLLECTIONS)
indexes = st.one_of(st.integers(1, 12), st.integers(990, 1_000_100), st.integers(1, MAX_INDEX))
paddings = st.integers(0, 6)
