"""A person at a browser, by plain HTTP: follows redirects, keeps cookies, logs in under a name, and says yes or no."""

import re
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Page:
    def __init__(self, url, status, headers, text):
        self.url = url
        self.status = status
        self.location = headers.get("location")
        self.text = text


class Browser:
    """Each has its own cookies. `visited` holds every address it came to."""

    def __init__(self, user="alice"):
        self.user = user
        self.visited = []
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar()), _Stay
        )

    def open(self, url, form=None):
        """One request, its redirect not followed."""
        self.visited.append(url)
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(url, data=data, headers={"accept": "text/html"})
        try:
            answer = self._opener.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Page(url, answer.status, answer.headers, answer.read().decode())

    def walk(self, url, until=None, says="allow"):
        """Goes on from this address, consenting wherever it is asked, and answers where it ends: at `until`, which is not opened, or at a page without a way on."""
        form = None
        for _ in range(30):
            page = self.open(url, form)
            form = None
            if page.location is not None:
                url = urllib.parse.urljoin(url, page.location)
                if until is not None and url.startswith(until):
                    return url
                continue
            actions = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', page.text)
            login = next((action for action in actions if action.endswith("/login")), None)
            action = login or next((action for action in actions if action.endswith(f"/{says}")), None)
            if action is None:
                return page
            form = {"login": self.user} if login else {}
            url = urllib.parse.urljoin(url, action)
        raise AssertionError("The browser is sent around without end.")


def query_of(url):
    """The parameters of an address, each of which may stand there once."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query, keep_blank_values=True))
