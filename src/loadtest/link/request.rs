//! A request as it goes over a connection.

use http::Method;

use crate::loadtest::profile::Request;

/// The bytes of a request in HTTP/1.1.
pub fn bytes(request: &Request) -> Vec<u8> {
    let url = &request.url;
    let mut text = format!("{} {}", request.method, url.path());
    if let Some(query) = url.query() {
        text.push('?');
        text.push_str(query);
    }
    text.push_str(" HTTP/1.1\r\nHost: ");
    text.push_str(url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        text.push_str(&format!(":{port}"));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    for (name, value) in &request.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    // By RFC 9110 §8.6 also where it is empty, if the method means something by a body.
    let means_body = [Method::POST, Method::PUT, Method::PATCH].contains(&request.method);
    if !request.body.is_empty() || means_body {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", request.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&request.body);
    bytes
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::ACCEPT;

    use super::*;

    fn request(method: Method, body: &'static str) -> String {
        let request = Request {
            method,
            url: "http://127.0.0.1:8080/a%20b?c=d#e".parse().unwrap(),
            headers: vec![(ACCEPT, HeaderValue::from_static("text/event-stream"))],
            body: body.into(),
        };
        String::from_utf8(bytes(&request)).unwrap()
    }

    #[test]
    fn a_request_is_written_as_http_has_it() {
        let head = "GET /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:8080\r\naccept: text/event-stream\r\n";
        assert_eq!(request(Method::GET, ""), format!("{head}\r\n"));
        let head = head.replace("GET", "POST");
        assert_eq!(request(Method::POST, "hi"), format!("{head}Content-Length: 2\r\n\r\nhi"));
    }
}
