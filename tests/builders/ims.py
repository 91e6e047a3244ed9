"""Adobe's sign-in (IMS), as every fake of an Adobe platform needs it: each token ends the last."""

from abc import abstractmethod

import httpx

from tests.builders.platforms import Fake

#: Made-up credentials of all Adobe fakes.
ENVIRON = {"NPS_ADOBE_CLIENT_ID": "made-up-client", "NPS_SECRET_ADOBE": "made-up&secret"}
CREDENTIALS = {"client_id": "env:NPS_ADOBE_CLIENT_ID", "client_secret": "env:NPS_SECRET_ADOBE"}


class FakeBehindIms(Fake):
    """A platform that takes the newest token only."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "ims-na1.adobelogin.com":
            self.tokens += 1
            said = {"access_token": f"token-{self.tokens}", "token_type": "bearer"}
            return httpx.Response(200, json={**said, "expires_in": 86399})
        if request.headers.get("Authorization") != f"Bearer token-{self.tokens}":
            return httpx.Response(401, json={"error_code": "401013", "message": "not valid"})
        return self.served(request)

    @abstractmethod
    def served(self, request: httpx.Request) -> httpx.Response:
        """Answer who has signed in, as documented."""
