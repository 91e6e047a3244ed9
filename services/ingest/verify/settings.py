"""How a source is told from a stranger: the keys `verify:` of `sources.yaml`.

In: YAML. Out: frozen values that make sense (what is signed covers the message, every text that is
signed can be read). `verifier.compile_verifier` compiles them together with the secrets.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from services.ingest.verify.signatures import Algorithm, Encoding, KeyRecipe, TimeUnit
from services.ingest.verify.signed_text import compile_field, placeholders
from shared.settings import Strict


def _readable_field(path: str) -> str:
    compile_field(path)
    return path


def _readable_text(template: str) -> str:
    placeholders(template)
    return template


HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
#: A key of the decoded body, or a path to it (`signature.token`); form or JSON.
FieldPath = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_readable_field)]
SignedText = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_readable_text)]
Mark = Annotated[str, Field(max_length=50)]


class SignatureCheck(Strict):
    """How the platform signs; see `signatures.Scheme`. The secrets stand in the entry.

    The signature is in `header`, or in `field` of the body. `separator` says that several
    signatures, or elements such as `t=…,v1=…`, come in one text; those without `prefix` are
    skipped.
    """

    kind: Literal["signature"] = "signature"
    header: HeaderName | None = None
    field: FieldPath | None = None
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: Mark = ""
    separator: Annotated[str, Field(max_length=5)] = ""
    signed: SignedText = "{body}"
    key: KeyRecipe = "plain"
    id_header: HeaderName | None = None
    timestamp_header: HeaderName | None = None
    timestamp_field: FieldPath | None = None
    timestamp_prefix: Annotated[Mark, Field(min_length=1)] | None = None
    timestamp_unit: TimeUnit = "s"
    tolerance_s: Annotated[int, Field(gt=0, le=3600)] = 300

    @property
    def reads_fields(self) -> bool:
        """Whether the body must be decoded before its signature can be checked."""
        at_fields = self.field is not None or self.timestamp_field is not None
        return at_fields or any(word.startswith("field:") for word in placeholders(self.signed))

    @model_validator(mode="after")
    def _the_signature_has_one_place(self) -> "SignatureCheck":
        if (self.header is None) == (self.field is None):
            raise ValueError("say where the signature is: either `header` or `field`")
        return self

    @model_validator(mode="after")
    def _the_message_is_signed(self) -> "SignatureCheck":
        words = placeholders(self.signed)
        if self.field is not None and "body" in words:
            raise ValueError("`field`: a body cannot hold its own signature; sign {field:…}")
        if "body" not in words and not any(word.startswith("field:") for word in words):
            raise ValueError(
                "`signed` must contain {body} or a {field:…}: else anyone could change the body"
            )
        if ("id" in words) != (self.id_header is not None):
            raise ValueError("`id_header` and {id} in `signed` go together")
        return self

    @model_validator(mode="after")
    def _the_time_is_signed(self) -> "SignatureCheck":
        words = placeholders(self.signed)
        places = (self.timestamp_header, self.timestamp_field, self.timestamp_prefix)
        given = sum(place is not None for place in places)
        if given > 1:
            raise ValueError("the time is in one place: its header, its field or its prefix")
        # A field of a signed body is signed with it.
        in_body = self.timestamp_field is not None and "body" in words
        if given != ("timestamp" in words) and not in_body:
            raise ValueError(
                "`timestamp_header` and {timestamp} in `signed` go together (the time may also "
                "be at `timestamp_field` or `timestamp_prefix`)"
            )
        if self.timestamp_prefix is not None and not self.separator:
            raise ValueError("`timestamp_prefix` marks one of several parts: give `separator`")
        if not given and {"tolerance_s", "timestamp_unit"} & self.model_fields_set:
            raise ValueError("a tolerance or unit needs a time: say where it is, or remove them")
        return self

    @model_validator(mode="after")
    def _a_public_key_has_no_recipe(self) -> "SignatureCheck":
        if self.algorithm == "ed25519" and self.key != "plain":
            raise ValueError("`key`: the form of an Ed25519 public key shows by itself; remove it")
        return self


class TokenCheck(Strict):
    """A secret text that comes with every message: in a header, the query, a field or the path.

    `path: true`: the address ends in `/v1/webhooks/SOURCE/SECRET`. In a header it may stand after
    `Bearer `; `scheme: basic` reads it as `user:password` of HTTP Basic authentication.
    """

    kind: Literal["token"]
    header: HeaderName | None = None
    query: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    field: FieldPath | None = None
    path: Literal[True] | None = None
    scheme: Literal["bearer", "basic"] | None = None

    @property
    def reads_fields(self) -> bool:
        """Whether the body must be decoded before the token can be compared."""
        return self.field is not None

    @model_validator(mode="after")
    def _one_place(self) -> "TokenCheck":
        places = (self.header, self.query, self.field, self.path)
        if sum(place is not None for place in places) != 1:
            raise ValueError(
                "say where the token is: one of `header`, `query`, `field`, `path: true`"
            )
        if self.scheme is not None and self.header is None:
            raise ValueError("`scheme` goes with `header`")
        return self


def _signature_unless_said(value: Any) -> Any:
    return {"kind": "signature", **value} if isinstance(value, dict) else value


Check = Annotated[
    Annotated[SignatureCheck | TokenCheck, Field(discriminator="kind")],
    # Without `kind` it is a signature, so editors must not ask for the word.
    BeforeValidator(_signature_unless_said, json_schema_input_type=SignatureCheck | TokenCheck),
]
