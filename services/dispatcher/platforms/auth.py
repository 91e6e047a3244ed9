"""The ways in which a platform is told who is calling, as data.

In: the part `auth` of a preset's YAML. Out: frozen values; `signin` and `signing` act by them.
"""

from typing import Annotated, Literal

from pydantic import Field

from shared.settings import Strict


class NoSignIn(Strict):
    """The headers say all."""

    kind: Literal["none"] = "none"


class ClientCredentials(Strict):
    """OAuth 2 client credentials: one token for all workers, renewed before it expires."""

    kind: Literal["oauth2_client_credentials"]
    token_url: str
    form: dict[str, str] = Field(description="fields, in the order they are written")
    encode: Literal["form", "json"] = Field("form", description="how the fields are written")
    renew_before_s: int = Field(3600, ge=0, description="seconds before expiry; at most half")


class Basic(Strict):
    """User and password with every request (RFC 7617)."""

    kind: Literal["basic"]
    user: str
    password: str = ""


class StandardWebhooks(Strict):
    """Signature by the Standard Webhooks specification, with one secret or two in turn-over."""

    kind: Literal["standard_webhooks"]
    secrets: tuple[str, ...] = Field(description="names of the vars that hold whsec_… secrets")


Auth = Annotated[
    NoSignIn | Basic | ClientCredentials | StandardWebhooks, Field(discriminator="kind")
]
