"""The Cloudinary SDK, imported without letting it look at CLOUDINARY_URL.

It parses that variable while it is imported, and a value that it can't parse ends the process with its own
trace before our settings can say what is wrong with it. Accounts are opened with credentials of their own
anyway.
"""

import os

_hidden = os.environ.pop("CLOUDINARY_URL", None)
try:
    import cloudinary
    from cloudinary import CERT_KWARGS, api, uploader, utils
    from cloudinary.api_client import call_api as admin
finally:
    if _hidden is not None:
        os.environ["CLOUDINARY_URL"] = _hidden

__all__ = ["CERT_KWARGS", "admin", "api", "cloudinary", "uploader", "utils"]
