"""
A Klein application with sessions of its own; each user sees only his own uploads.

Run it with ``twistd -ny session_app.py``; PORT and UPLOADS say where it listens and
stores.  Behind a proxy set PUBLIC_URL, or BEHIND_PROXY=1.
"""

import os
import secrets
from collections import defaultdict
from hmac import compare_digest
from html import escape
from http.cookies import CookieError, SimpleCookie

from klein import Klein
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.iweb import IRequest
from twisted.web.server import Site

from tustwisted.hooks.functions import FunctionHook
from tustwisted.protocol.answers import Answer, HttpAnswer
from tustwisted.protocol.events import Event, EventType
from tustwisted.service import UploadsService
from tustwisted.web.resource import TusResource
from tustwisted.web.settings import WebSettings
from tustwisted.web.streaming import enable_streaming, under

PASSWORDS = {"ada": "difference", "grace": "compiler"}
"""What a real application has a table for, with hashes in it."""

FORM = (
    '<form method="post" action="/login"><input name="user"> '
    '<input name="password" type="password"> <button>log in</button></form>'
)


class Members:
    """Who has logged in, and what each has uploaded; in memory, to be short."""

    def __init__(self) -> None:
        self._sessions: dict[str, str] = {}
        self.files: dict[str, list[str]] = defaultdict(list)

    def log_in(self, user: str, password: str) -> str | None:
        """Begin a session, and return the value of its cookie."""
        expected = PASSWORDS.get(user, "")
        if not expected or not compare_digest(expected.encode(), password.encode()):
            return None
        token = secrets.token_urlsafe(32)
        self._sessions[token] = user
        return token

    def whose(self, cookies: str | None) -> str | None:
        """Tell whose session the ``Cookie`` of a request names."""
        try:
            session = SimpleCookie(cookies or "").get("session")
        except CookieError:
            return None
        return self._sessions.get(session.value) if session is not None else None

    # -- what the uploads ask and tell -------------------------------------------------

    async def admit(self, event: Event) -> Answer:
        """Let members alone do anything; what one creates is his."""
        assert event.request is not None  # an access always has one
        user = self.whose(event.request.header("Cookie"))
        if user is None:
            return Answer(reject=True, response=HttpAnswer(401, body="log in first\n"))
        return Answer(owner=user)

    async def note(self, event: Event) -> None:
        """Remember a file that is there as a whole; told again, it changes nothing."""
        assert event.upload.owner is not None  # nobody else is let in
        files = self.files[event.upload.owner]
        if event.upload.upload_id not in files:
            files.append(event.upload.upload_id)


class Club:
    """The application as it was, and one route more."""

    app = Klein()

    def __init__(self, members: Members, uploads: TusResource) -> None:
        self._members = members
        self._uploads = uploads

    @app.route("/")
    def home(self, request: IRequest) -> str:
        """Show a member what he has uploaded."""
        cookies = request.getHeader(b"Cookie") or b""
        user = self._members.whose(cookies.decode("latin-1"))
        if user is None:
            return FORM
        ids = self._members.files[user]
        links = "".join(f'<li><a href="/files/tus/{id}">{id}</a>' for id in ids)
        return f"<p>welcome, {escape(user)}</p><ul>{links}</ul>"

    @app.route("/login", methods=["POST"])
    def log_in(self, request: IRequest) -> str:
        """Begin a session."""
        user, password = (
            request.args.get(name, [b""])[0].decode(errors="replace")
            for name in (b"user", b"password")
        )
        token = self._members.log_in(user, password)
        if token is None:
            request.setResponseCode(403)
            return FORM
        # Lax or Strict: a page of another site must not act in its visitor's name.
        cookie = f"session={token}; Path=/; HttpOnly; SameSite=Strict"
        request.responseHeaders.addRawHeader("Set-Cookie", cookie)
        request.redirect(b"/")
        return ""

    @app.route("/files/tus/", branch=True, strict_slashes=False)
    def uploads(self, request: IRequest) -> TusResource:
        """Hand everything below this path to the uploads."""
        return self._uploads


members = Members()
hook = FunctionHook(
    "members",
    {EventType.PRE_ACCESS: members.admit, EventType.POST_FINISH: members.note},
)
uploads = UploadsService.in_directory(
    reactor, os.environ.get("UPLOADS", "uploads"), hooks=[hook]
)
settings = WebSettings(
    cors=None,  # pages of other origins have no business here
    behind_proxy="BEHIND_PROXY" in os.environ,
    public_url=os.environ.get("PUBLIC_URL"),
)
club = Club(members, TusResource(uploads.uploads, settings))
site = Site(club.app.resource())
enable_streaming(site, under("/files/tus"))

application = Application("club")
uploads.setServiceParent(application)
endpoint = TCP4ServerEndpoint(
    reactor, int(os.environ.get("PORT", "8080")), interface="127.0.0.1"
)
StreamServerEndpointService(endpoint, site).setServiceParent(application)
