//! What a client asks of the proxy: only what can be read in one way is taken for a request.

use crate::base::Host;
use crate::base::allowed_host::read_port;

/// The longest head of a request.
pub(super) const LONGEST_HEAD: usize = 8 << 10;

/// What ends a head.
const END: &[u8] = b"\r\n\r\n";

const SCHEME: &str = "http://";

/// Headers that are between a client and its proxy, and are not passed on.
const OWN_HEADERS: [&str; 8] =
    ["host", "connection", "proxy-connection", "proxy-authorization", "keep-alive", "te", "trailer", "upgrade"];

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) want: Want,
}

/// What is wanted of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Bytes both ways.
    Tunnel,
    /// One answer; this is what the host is asked for.
    Fetch(String),
}

/// Why it is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bad {
    #[error("it is no request of HTTP/1")]
    Syntax,
    #[error("only CONNECT, and GET and HEAD of an http:// address, are let through")]
    Method,
    #[error("a user name stands before the host")]
    User,
    #[error("the host and the Host header differ, or there are several")]
    OtherHost,
    #[error("a GET has no body")]
    Body,
    #[error("{0}")]
    Host(#[from] crate::base::host::HostError),
    #[error("the port is missing or no port")]
    Port,
}

/// Where a head ends, if it does.
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END.len()).position(|window| window == END).map(|at| at + END.len())
}

/// Reads a whole head.
///
/// # Errors
/// Everything that a server could understand otherwise.
pub(super) fn read(head: &[u8]) -> Result<Request, Bad> {
    let text = std::str::from_utf8(head).map_err(|_| Bad::Syntax)?;
    let text = text.strip_suffix("\r\n\r\n").ok_or(Bad::Syntax)?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let headers = lines.map(header).collect::<Result<Vec<_>, _>>()?;
    let is_printed = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    let parts: Vec<&str> = line.split(' ').collect();
    let &[method, target, version] = parts.as_slice() else { return Err(Bad::Syntax) };
    // Letters beyond ASCII are left for the host to be refused by.
    if !is_printed(&method) || !matches!(version, "HTTP/1.0" | "HTTP/1.1") || !is_target(target) {
        return Err(Bad::Syntax);
    }
    match method {
        "CONNECT" => tunnel(target, &headers),
        "GET" | "HEAD" => fetch(method, target, &headers),
        _ => Err(Bad::Method),
    }
}

fn is_target(target: &str) -> bool {
    !target.is_empty() && !target.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// A header's name in lower case, and its value.
fn header(line: &str) -> Result<(String, &str), Bad> {
    let (name, value) = line.split_once(':').ok_or(Bad::Syntax)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_text = |c: char| c == '\t' || !c.is_control();
    if name.is_empty() || !name.bytes().all(is_token) || !value.chars().all(is_text) {
        return Err(Bad::Syntax);
    }
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
}

fn tunnel(target: &str, headers: &[(String, &str)]) -> Result<Request, Bad> {
    if target.contains('@') {
        return Err(Bad::User);
    }
    let (host, port) = target.rsplit_once(':').ok_or(Bad::Port)?;
    let (host, port) = (host.parse()?, read_port(port).ok_or(Bad::Port)?);
    agrees(headers, &host, port, port)?;
    no_body(headers)?;
    Ok(Request { method: "CONNECT".to_owned(), host, port, want: Want::Tunnel })
}

fn fetch(method: &str, target: &str, headers: &[(String, &str)]) -> Result<Request, Bad> {
    let is_http = target.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME));
    let rest = if is_http { &target[SCHEME.len()..] } else { return Err(Bad::Method) };
    let at = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    if path.starts_with('\\') || !path.is_ascii() {
        return Err(Bad::Syntax);
    }
    if authority.contains('@') {
        return Err(Bad::User);
    }
    let (host, port) = host_and_port(authority, 80)?;
    agrees(headers, &host, port, 80)?;
    no_body(headers)?;
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let named = if port == 80 { host.to_string() } else { format!("{host}:{port}") };
    let mut asked = format!("{method} {path} HTTP/1.1\r\nHost: {named}\r\nConnection: close\r\n");
    // What `Connection` lists is no more than a hop's own.
    let listed: Vec<String> = values(headers, "connection").flat_map(|list| list.split(',')).map(low).collect();
    for (name, value) in headers {
        if !OWN_HEADERS.contains(&name.as_str()) && !listed.contains(name) && name != "content-length" {
            asked.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    asked.push_str("\r\n");
    Ok(Request { method: method.to_owned(), host, port, want: Want::Fetch(asked) })
}

fn low(text: &str) -> String {
    text.trim().to_ascii_lowercase()
}

/// The host and the port of an authority.
fn host_and_port(authority: &str, default: u16) -> Result<(Host, u16), Bad> {
    match authority.rsplit_once(':').filter(|_| !authority.ends_with(']')) {
        Some((host, port)) => Ok((host.parse()?, read_port(port).ok_or(Bad::Port)?)),
        None => Ok((authority.parse()?, default)),
    }
}

fn values<'h>(headers: &'h [(String, &'h str)], name: &'h str) -> impl Iterator<Item = &'h str> {
    headers.iter().filter(move |(other, _)| other == name).map(|(_, value)| *value)
}

/// Whether the Host header, where there is one, names the same host.
fn agrees(headers: &[(String, &str)], host: &Host, port: u16, default: u16) -> Result<(), Bad> {
    let mut named = values(headers, "host");
    let first = named.next().map(|value| host_and_port(value, default));
    match first {
        _ if named.next().is_some() => Err(Bad::OtherHost),
        None => Ok(()),
        Some(Ok((other, at))) if other == *host && at == port => Ok(()),
        Some(_) => Err(Bad::OtherHost),
    }
}

fn no_body(headers: &[(String, &str)]) -> Result<(), Bad> {
    let has_length = values(headers, "content-length").any(|length| length != "0");
    let is_coded = values(headers, "transfer-encoding").next().is_some();
    if has_length || is_coded { Err(Bad::Body) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &str) -> Result<Request, Bad> {
        read(format!("{}\r\n\r\n", lines.replace('\n', "\r\n")).as_bytes())
    }

    fn place(lines: &str) -> Result<String, Bad> {
        of(lines).map(|request| format!("{}:{}", request.host, request.port))
    }

    #[test]
    fn a_tunnel_names_a_host_and_a_port() {
        assert_eq!(place("CONNECT Crates.IO.:443 HTTP/1.1\nHost: crates.io:443"), Ok("crates.io:443".to_owned()));
        assert_eq!(place("CONNECT [::1]:8080 HTTP/1.0"), Ok("[::1]:8080".to_owned()));
        assert_eq!(place("CONNECT crates.io:443 HTTP/1.1\nHost: crates.io"), Ok("crates.io:443".to_owned()));
        assert_eq!(of("CONNECT a:443 HTTP/1.1").unwrap().want, Want::Tunnel);
    }

    #[test]
    fn a_fetch_is_written_anew_for_the_host() {
        let lines = "GET HTTP://Example.org:8080/a?b#c HTTP/1.1\nhost: example.org:8080\nProxy-Connection: keep-alive\n\
                     Accept: */*\nConnection: X-Own\nX-Own: 1\nProxy-Authorization: Basic eA==";
        let request = of(lines).unwrap();
        let asked = "GET /a?b HTTP/1.1\r\nHost: example.org:8080\r\nConnection: close\r\naccept: */*\r\n\r\n";
        assert_eq!(request.want, Want::Fetch(asked.to_owned()));
        assert_eq!((request.host.to_string(), request.port), ("example.org".to_owned(), 8080));
        let bare = of("HEAD http://example.org?q HTTP/1.0").unwrap();
        let asked = "HEAD /?q HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n";
        assert_eq!((bare.want, bare.port), (Want::Fetch(asked.to_owned()), 80));
    }

    #[test]
    fn a_request_that_names_two_hosts_is_refused() {
        for lines in [
            "GET http://a.example/ HTTP/1.1\nHost: b.example",
            "GET http://a.example/ HTTP/1.1\nHost: a.example\nHost: b.example",
            "GET http://a.example/ HTTP/1.1\nHost: a.example\nHost: a.example",
            "GET http://a.example/ HTTP/1.1\nHost: a.example:8080",
            "GET http://a.example/ HTTP/1.1\nHost:",
            "CONNECT a.example:443 HTTP/1.1\nHost: b.example:443",
        ] {
            assert_eq!(place(lines), Err(Bad::OtherHost), "{lines}");
        }
    }

    #[test]
    fn a_user_name_hides_no_host() {
        assert_eq!(place("GET http://a.example@b.example/ HTTP/1.1"), Err(Bad::User));
        assert_eq!(place("CONNECT a.example@b.example:443 HTTP/1.1"), Err(Bad::User));
        assert_eq!(place("CONNECT a.example:443@b.example:443 HTTP/1.1"), Err(Bad::User));
    }

    #[test]
    fn a_body_in_which_a_second_request_could_hide_is_refused() {
        for header in
            ["Content-Length: 5", "Content-Length: 0, 5", "Transfer-Encoding: chunked", "transfer-encoding : x"]
        {
            let bad = place(&format!("GET http://a.example/ HTTP/1.1\n{header}")).unwrap_err();
            assert!(matches!(bad, Bad::Body | Bad::Syntax), "{header}");
        }
    }

    #[test]
    fn what_servers_read_in_several_ways_is_no_request() {
        for head in [
            "GET  http://a.example/ HTTP/1.1\r\n\r\n",
            "GET http://a.example/ HTTP/1.1\nHost: a.example\r\n\r\n",
            "GET http://a.example/\tx HTTP/1.1\r\n\r\n",
            "GET http://a.example/ HTTP/1.1\r\nX: 1\r\n folded\r\n\r\n",
            "GET http://a.example/ HTTP/1.1\r\nX : 1\r\n\r\n",
            "GET http://a.example/ HTTP/1.1\r\nX: a\rHost: b\r\n\r\n",
            "GET http://a.example/ HTTP/1.1\r\nX: a\0\r\n\r\n",
            "GET http://a.example/ HTTP/2\r\n\r\n",
            "GET http://a.example/\r\n\r\n",
            "GET http://a.example\\@b.example/ HTTP/1.1\r\n\r\n",
            " GET http://a.example/ HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
            "CONNECT a.example:443 HTTP/1.1\r\n",
        ] {
            assert_eq!(read(head.as_bytes()), Err(Bad::Syntax), "{head:?}");
        }
        assert_eq!(read(b"GET http://a.example/\xff HTTP/1.1\r\n\r\n"), Err(Bad::Syntax));
    }

    #[test]
    fn other_methods_schemes_and_ports_are_refused() {
        for lines in [
            "POST http://a.example/ HTTP/1.1",
            "GET / HTTP/1.1",
            "GET ftp://a.example/ HTTP/1.1",
            "get http://a/ HTTP/1.1",
        ] {
            assert_eq!(place(lines), Err(Bad::Method), "{lines}");
        }
        for lines in [
            "CONNECT a.example HTTP/1.1",
            "CONNECT a.example:0 HTTP/1.1",
            "CONNECT a.example:443x HTTP/1.1",
            "GET http://a:/ HTTP/1.1",
        ] {
            assert_eq!(place(lines), Err(Bad::Port), "{lines}");
        }
        for lines in [
            "CONNECT 0x7f.1:443 HTTP/1.1",
            "CONNECT b\u{fc}cher.example:443 HTTP/1.1",
            "CONNECT http://a:443 HTTP/1.1",
            "CONNECT :443 HTTP/1.1",
        ] {
            assert!(matches!(place(lines), Err(Bad::Host(_))), "{lines}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(head: Vec<u8>) {
            let _ = read(&head);
        }

        #[test]
        fn what_is_passed_on_is_one_head_without_a_body(path in "[ -~]{0,20}", header in "[ -~]{0,20}", value in "\\PC{0,20}") {
            if let Ok(Request { want: Want::Fetch(asked), .. }) = of(&format!("GET http://a.example/{path} HTTP/1.1\n{header}: {value}")) {
                proptest::prop_assert_eq!(end_of_head(asked.as_bytes()), Some(asked.len()));
                proptest::prop_assert!(!asked.contains("transfer-encoding:"));
            }
        }
    }
}
