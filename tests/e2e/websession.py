"""The pages without a browser: cookies, forms and their tokens."""

import urllib.parse

from gate import http


class Browserless:
    """A browser's part in a session; not signed in without a user."""

    def __init__(self, g, user=None, password=None):
        self.g, self.cookies, self.last = g, {}, None
        if user is None:
            return
        form = self.get("/-/login")
        a = self.post("/-/login", csrf=token_in(form.text), user=user, password=password)
        assert a.status == 303, a.text
        self.last = a
        self.csrf = token_in(self.get("/-/holds").text)

    def headers(self, more=None):
        return {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), **(more or {})}

    def keep(self, a):
        for c in a.headers.get_all("Set-Cookie") or []:
            k, v = c.split(";")[0].split("=", 1)
            self.cookies[k] = v
        return a

    def get(self, path, headers=None):
        return self.keep(http("GET", self.g.url + path, headers=self.headers(headers)))

    def post(self, path, headers=None, **fields):
        fields.setdefault("csrf", getattr(self, "csrf", ""))
        body = urllib.parse.urlencode({k: v for k, v in fields.items() if v is not None})
        h = self.headers({"Content-Type": "application/x-www-form-urlencoded", **(headers or {})})
        return self.keep(http("POST", self.g.url + path, body, h))


def token_in(html):
    return html.split('name="csrf" value="')[1].split('"')[0]
