"""The headers of every answer, whoever makes it: a view, Django, or the web server itself."""

from __future__ import annotations

from typing import Final

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)
"""Nothing that stands in a page itself is run or applied. ``data:``: images in the narratives of records."""

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Over TLS, Django's `SecurityMiddleware` adds HSTS."""

LEAVING: Final = '"cache", "storage"'
"""What a browser clears at sign-out. Not its cookies: it stays known as the person's own."""
