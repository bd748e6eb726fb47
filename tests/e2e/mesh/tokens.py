"""Access tokens as an authorization server would issue them, and its keys."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY_ID = "test"


@dataclass(frozen=True)
class Issuer:
    """An authorization server with one key."""

    url: str
    roles_claim: str = "roles"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @property
    def jwks(self) -> str:
        """Its public key, as RequestAuthentication and jwt_authn take it inline."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return json.dumps({"keys": [public | {"kid": KEY_ID, "use": "sig", "alg": "RS256"}]})

    def token(self, *roles: str, audience: str, scope: str = "", lives_seconds: int = 600, **claims: Any) -> str:
        """A signed token; a negative life: it has expired."""
        now = int(time.time())
        body = {"iss": self.url, "sub": "tester", "aud": audience, "iat": now - 3600, "exp": now + lives_seconds}
        body |= {self.roles_claim: list(roles), "scope": scope} | claims
        return jwt.encode(body, self.key, algorithm="RS256", headers={"kid": KEY_ID})
