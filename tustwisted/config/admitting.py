"""Those settings that say who may upload."""

from __future__ import annotations

from attrs import frozen

from tustwisted.auth.algorithms import PUBLIC, SECRET, check_algorithm
from tustwisted.config.forms import FILE, TEXT, Form
from tustwisted.config.setting import setting


@frozen(kw_only=True, slots=False, eq=False, repr=False)
class Admitting:
    """Who may upload, where no hook of yours is asked."""

    auth_tokens: str | None = setting(
        FILE,
        "Let in who brings a bearer token of this file, whose lines are an owner and a "
        "token.",
        otherwise="everybody",
        example="/etc/tustwisted/tokens",
        is_credential=True,
    )
    jwt_key_file: str | None = setting(
        FILE,
        "Let in who brings a JSON Web Token; the file holds the public key (PEM) or "
        "the secret.",
        otherwise="no such tokens",
        example="/etc/tustwisted/jwt.pem",
        is_credential=True,
    )
    jwt_algorithm: tuple[str, ...] = setting(
        Form("NAME", check_algorithm, choices=(*SECRET, *PUBLIC)),
        "How such a token may be signed, such as ES256.",
        otherwise="needed with --jwt-key-file",
        example="ES256",
        is_many=True,
    )
    jwt_audience: str | None = setting(
        TEXT,
        "Whom such a token must be meant for (aud).",
        otherwise="needed with --jwt-key-file",
        example="https://files.example.com",
    )
    jwt_issuer: str | None = setting(
        TEXT,
        "Whom such a token must be from (iss).",
        otherwise="anybody who has the key",
        example="https://login.example.com",
    )
    jwt_owner_claim: str = setting(
        TEXT,
        "What in such a token names its owner.",  # RFC 7519, section 4.1.2
        "sub",
    )
