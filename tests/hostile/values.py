"""What is sent where something sensible is expected. All of it is quoted already."""

DIGITS = "9" * 5_000

VALUES = [
    *("", "0", "-1", "1.5", "1e400", "NaN", "9" * 19, DIGITS, f"-{DIGITS}", "%D9%A3"),
    *("%00", "a%00b", "%FF%FE", "%ED%A0%80", "%zz", "%", "%25", "%EF%BB%BF", "%F0%9F%98%80"),
    *("x" * 3_000, "%0D%0ASet-Cookie:%20a=b", "..%2F..%2F..%2Fetc%2Fpasswd", "%2F%2Fevil.example"),
    *("2026-99-99", "9999-12-31", "0001-01-01", "2026-01-01T00:00:00%2B99:99", "null", "[]", "{}"),
    *("%27%20OR%201=1--", "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E", "{{7*7}}", "%5B" * 900),
    *("__class__", "pk__in", "true", "a,b,c", "%EF%BC%9D1%2B1", "%E2%80%AE", "%5C", "%C0%AF"),
]
# In place of `name=value`: the same name twice, as a list, as an object.
SHAPES = [
    "{name}=1&{name}=2",
    "{name}[]=1",
    "{name}[a]=1",
    "{name}",
    "{name}=1;{name}=2",
    "=&&{name}=",
]

# What a parameter of an address may be called, beside the names that the pages themselves use.
NAMES = [
    *("page", "p", "q", "o", "e", "all", "next", "shown", "returned", "format", "id", "pk"),
    *("_popup", "_to_field", "_changelist_filters", "_facets", "account", "id__in", "a__b__c"),
]

# Where somebody may want to go on to after signing in; nobody can read most of these.
PLACES = [
    *(
        "//[",
        "http://[::1",
        "http://[x]/",
        "//a]b",
        "http://℀.com",
        "/[",
        "\\\\[",
        "http://x:99999999",
    ),
    *("javascript:1", "//evil.example", "/\x00", "/\r\nX: y", "?", "//", "x" * 3_000),
]

BODIES = [
    ("application/json", b"{}"),
    ("application/json", b"[" * 5_000),
    ("application/json", b'{"a": ' + b"9" * 5_000 + b"}"),
    ("application/json", b'"\\ud800"'),
    ("application/json", b'{"a": NaN}'),
    ("application/octet-stream", bytes(range(256))),
    ("application/x-www-form-urlencoded", b"a=%zz&b=%00&c=%ED%A0%80&=&&&"),
    ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % one for one in range(3_000))),
    ("application/x-www-form-urlencoded; charset=latin-1", b"a=\xe9"),
    ("application/x-www-form-urlencoded; charset=utf-16", b"a\x00=\x00b\x00"),
    ("application/x-www-form-urlencoded; charset=\xe9".encode("latin-1").decode("latin-1"), b"a=b"),
    ("multipart/form-data", b"no boundary"),
    ("multipart/form-data; boundary=x; charset=utf-7", b"--x--"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'),
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a\x00.csv"\r\n\r\na\r\n--x--',
    ),
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n=\xff=\r\n--x--",
    ),
    ("multipart/form-data; boundary=" + "x" * 300, b"--x--"),
    ("text/xml", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    ("", b"\x1f\x8b\x08"),
    ("*/*; ;;=", b"a=b"),
]
HEADERS = [
    {"Accept": "\xff" * 100},
    {"Accept-Language": "x" * 5_000},
    {"Accept-Encoding": "gzip;q=abc, *;q=\xb2"},
    {"Cookie": "sessionid=" + "x" * 3_000 + "; csrftoken=\xe9; =; ;;"},
    {"Cookie": 'messages="' + "\\" * 500},
    {
        "HX-Request": "true",
        "HX-Current-URL": "http://[::1",
        "HX-Current-URL-URI-AutoEncoded": "true",
    },
    {"HX-Request": "true", "HX-Current-URL": "%E0%A4%A", "HX-Trigger": "\x80"},
    {"If-Modified-Since": "Xxx, 99 Zzz 99999 99:99:99 GMT", "If-None-Match": "W/" * 400},
    {"Range": "bytes=99999999999999999999-1,-"},
    {"HX-Request": "true", "HX-Current-URL": "//["},
    {"Referer": "http://[", "Sec-Fetch-Dest": "empty"},
    {"Referer": "http://[::1/", "Sec-Fetch-Dest": "empty"},
    {"Origin": "null"},
    {"Host": "evil.example"},
    {"Host": "[::1"},
    {"Host": "\xe9"},
    {"User-Agent": "\x80\xff" * 200},
    {
        "X-Forwarded-For": "999.1.1.1, \xe9",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "a b",
    },
    {"X-HTTP-Method-Override": "DELETE"},
    {"X-CSRFToken": "\xe9" * 40},
    {"Authorization": "Basic " + "=" * 900},
    {"Authorization": "Bearer \xff"},
    {"Content-Type": "\xff/\xfe; charset=\x80"},
    {"Content-Encoding": "gzip"},
    {"Expect": "200-maybe"},
    {"Upgrade": "h2c", "Connection": "Upgrade"},
    {"Stripe-Signature": "t=99999999999999999999,v1=\xe9", "Sandbox-Signature": "t=,v1="},
]

HOST = b"Host: localhost\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded"
CHARSETS = [
    *(b"latin-1", b"utf-16", b"utf-32", b"utf-7", b"cp1252", b"idna", b"punycode", b"base64"),
    *(
        b"hex",
        b"rot13",
        b"zip",
        b"undefined",
        b"unicode_escape",
        b"\xe9",
        b'"',
        b"'utf-8",
        b"a" * 900,
    ),
]
# Whole connections, byte by byte. What ends too early is closed by the test.
RAW = [
    b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    b"GET /\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"Bad Header: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b": no name\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b" folded: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"A: b\x00c\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"A: b\rc\r\n\r\n",
    b"GET / HTTP/1.1\n" + HOST + b"\n\n",
    b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /a b c HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /%zz?%zz=%\x80 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET http://localhost/accounts/login/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET http://[/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET //evil.example/%2e%2e HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET evil HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET ?a=b HTTP/1.1\r\n" + HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    b"CONNECT localhost:22 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"get / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"G\xc3\x89T / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /?" + b"x" * 30_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 3_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: " + b"a" * 9_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nabcde",
    *(
        b"POST /accounts/login/ HTTP/1.1\r\n" + HOST + head
        for head in [
            *(
                FORM + b"; charset=" + name + b"\r\nContent-Length: 3\r\n\r\na=b"
                for name in CHARSETS
            ),
            b"Content-Length: -1\r\n\r\n",
            b"Content-Length: +3\r\n\r\nabc",
            b"Content-Length: 0x3\r\n\r\nabc",
            b"Content-Length: 3_0\r\n\r\nabc",
            b"Content-Length: \xb2\r\n\r\nab",
            b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n",
            b"Content-Length: 200000000\r\n\r\n",
            b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 600 + b"\r\nabc\r\n0\r\n\r\n",
            b'Transfer-Encoding: chunked\r\n\r\n3;a="\r\nabc\r\n0\r\n\r\n',
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n",
            b"Content-Length: 100\r\n\r\nhalf",
            FORM + b"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n",
        ]
    ),
    *(
        b"POST /webhooks/" + gateway + b"/ HTTP/1.1\r\n" + HOST + head
        for gateway in (b"sandbox", b"stripe")
        for head in [
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            b"Stripe-Signature: \xe9\r\nSandbox-Signature: \xe9\r\nContent-Length: 2\r\n\r\n{}",
            b"Stripe-Signature: t=\xd9\xa3,v1=\xff\r\nContent-Length: 2\r\n\r\n{}",
            b"Content-Type: application/json; charset=utf-16\r\nContent-Length: 2\r\n\r\n{}",
            b"Content-Length: 300000\r\n\r\n" + b"{" * 300_000,
        ]
    ),
]
# Signed by the provider, and still nothing that it would send.
EVENTS = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"9" * 5_000,
    b"[" * 900 + b"]" * 900,
    b'{"id": ' + b"[" * 20_000 + b"}",
    b'{"id": "e1", "type": "a", "deep": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"id": "e2", "type": "a", "n": ' + b"9" * 5_000 + b"}",
    b'{"id": "e3", "type": "a", "n": NaN}',
    b'{"id": "e4", "type": "a", "n": 1e999}',
    b'{"id": "e5", "type": "a", "t": "\\u0000"}',
    b'{"id": "e6", "type": "a", "t": "\\ud800"}',
    b'{"id": "e\\u00007", "type": "a"}',
    b'{"id": "' + b"e" * 5_000 + b'", "type": "a"}',
    b'{"id": "e8", "type": "' + b"a" * 5_000 + b'"}',
    b'{"id": 9, "type": {"a": 1}}',
    b'{"id": "e10", "type": null, "checkout": []}',
    b'{"id": "e11", "type": "a", "checkout": {"checkout_id": {"a": 1}, "amount_minor": "x"}}',
    b'{"id": "e12", "type": "a", "checkout": {"amount_minor": ' + b"9" * 40 + b"}}",
    b'{"id": "e13", "type": "a", "\xff": 1}',
    b'\xef\xbb\xbf{"id": "e14", "type": "a"}',
    '{"id": "e15", "type": "a"}'.encode("utf-16"),
]
