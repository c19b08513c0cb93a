//! How any other server is spoken to: by templates.

use std::borrow::Cow;

use http::HeaderValue;

use super::dialect::{Dialect, Wanted, Words};
use super::lumen::LAST_EVENT_ID;
use super::pattern::{Pattern, WordsFault};
use super::producer::Producer;
use super::template::Variable;
use super::tokens::Tokens;
use super::{Heard, Message, ProfileFault, Request, Seat};
use crate::client::{Access, ServerUrl};
use crate::loadtest::stamp::{RunId, Stamp};
use crate::wire::sse::Block;

const OF_A_STREAM: &[Variable] = &[Variable::User, Variable::Token, Variable::Cursor, Variable::Run];
const OF_A_MESSAGE: &[Variable] = &[
    Variable::User,
    Variable::Users,
    Variable::Content,
    Variable::Stamp,
    Variable::Message,
    Variable::Key,
    Variable::Token,
    Variable::Run,
];

/// A server that is not lumen, as it was typed.
pub struct Server {
    pub dialect: Dialect,
    pub url: ServerUrl,
    pub subscribe: Words,
    pub publish: Words,
    /// What opens the streams.
    pub tokens: Option<Tokens>,
    /// What publishes.
    pub producer: Option<Access>,
    /// Messages go to several users at once.
    pub audience: bool,
    /// There is more than one user.
    pub several_users: bool,
    pub payload_bytes: usize,
}

pub struct Templated {
    dialect: Dialect,
    subscribe: Pattern,
    publish: Pattern,
    tokens: Option<Tokens>,
    producer: Option<Producer>,
    payload_bytes: usize,
}

impl Templated {
    /// # Errors
    /// The first thing that makes no sense in what was typed.
    pub fn new(server: Server) -> Result<Self, WordsFault> {
        let Server { dialect, url, tokens, audience, .. } = server;
        let wanted = Wanted { audience, token: tokens.is_some() };
        let subscribe = server.subscribe.over(dialect.subscribe(wanted));
        let subscribe = Pattern::read("subscribe", subscribe, &url, OF_A_STREAM)?;
        let wanted = Wanted { audience, token: server.producer.is_some() };
        let publish = server.publish.over(dialect.publish(wanted));
        let publish = Pattern::read("publish", publish, &url, OF_A_MESSAGE)?;
        let faults = [
            (subscribe.uses(Variable::Token) && tokens.is_none(), WordsFault::NoTokens),
            (publish.uses(Variable::Token) && server.producer.is_none(), WordsFault::NoToken),
            (!publish.uses(Variable::Content) && !publish.uses(Variable::Stamp), WordsFault::NoStamp),
            (audience && !publish.uses(Variable::Users), WordsFault::NoUsers),
            (audience && publish.uses(Variable::User), WordsFault::User),
            (server.several_users && !tells_users_apart(&subscribe, &publish), WordsFault::NoUser),
        ];
        if let Some((_, fault)) = faults.into_iter().find(|(is_so, _)| *is_so) {
            return Err(fault);
        }
        let producer = server.producer.map(Producer::new);
        Ok(Self { dialect, subscribe, publish, tokens, producer, payload_bytes: server.payload_bytes })
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn subscribe(&self, run: RunId, user: &str, seat: &Seat<'_>) -> Result<Request, ProfileFault> {
        let token = self.tokens.as_ref().map_or("", |tokens| tokens.of(seat.user));
        let cursor = seat.cursor.unwrap_or_default();
        let mut request = self.subscribe.fill(|variable| match variable {
            Variable::User => Cow::Borrowed(user),
            Variable::Token => Cow::Borrowed(token),
            Variable::Cursor => Cow::Borrowed(cursor),
            // A template of a stream has no other.
            _ => Cow::Owned(run.as_str().to_owned()),
        })?;
        if self.dialect.resumes() && !cursor.is_empty() && !self.subscribe.uses(Variable::Cursor) {
            request.headers.push((LAST_EVENT_ID, HeaderValue::from_str(cursor).map_err(|_| ProfileFault::Cursor)?));
        }
        Ok(request)
    }

    pub(super) fn publish(
        &self,
        stamp: Stamp,
        users: &[u32],
        name: impl Fn(u32) -> String,
    ) -> Result<Request, ProfileFault> {
        let token = match &self.producer {
            Some(producer) if self.publish.uses(Variable::Token) => producer.token()?,
            _ => String::new(),
        };
        self.publish.fill(|variable| match variable {
            Variable::User => users.first().map(|user| name(*user)).unwrap_or_default().into(),
            Variable::Users => serde_json::Value::from_iter(users.iter().map(|user| name(*user))).to_string().into(),
            Variable::Content => stamp.padded(self.payload_bytes).into(),
            Variable::Stamp => stamp.to_string().into(),
            Variable::Message => stamp.number.to_string().into(),
            Variable::Key => stamp.key().into(),
            Variable::Token => Cow::Borrowed(token.as_str()),
            // A template of a message has no other.
            Variable::Run | Variable::Cursor => stamp.run.as_str().to_owned().into(),
        })
    }

    pub(super) fn hear(&self, block: &Block) -> Heard {
        let data = block.data.as_deref().unwrap_or_default();
        let message = |stamp| Message { stamp, counts: None };
        let mut stamps = Stamp::all(data.as_bytes());
        match (stamps.next(), stamps.next()) {
            (None, _) => self.dialect.close(data).map_or(Heard::Other, Heard::Close),
            (Some(stamp), None) => Heard::Message(message(stamp)),
            (Some(one), Some(two)) => {
                let stamps = [one, two].into_iter().chain(stamps).collect();
                Heard::Messages(self.told_once(stamps).into_iter().map(message).collect())
            }
        }
    }

    /// A message whose template names it twice is there twice each time.
    fn told_once(&self, mut stamps: Vec<Stamp>) -> Vec<Stamp> {
        if self.publish.uses(Variable::Content) && self.publish.uses(Variable::Stamp) {
            let mut is_second = false;
            stamps.dedup_by(|next, before| {
                is_second = next == before && !is_second;
                is_second
            });
        }
        stamps
    }
}

fn tells_users_apart(subscribe: &Pattern, publish: &Pattern) -> bool {
    let of_streams = subscribe.uses(Variable::User) || subscribe.uses(Variable::Token);
    of_streams && (publish.uses(Variable::User) || publish.uses(Variable::Users))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::access::Token;
    use crate::loadtest::profile::{Close, Profile};

    fn server(dialect: Dialect) -> Server {
        Server {
            dialect,
            url: "http://127.0.0.1:9".parse().unwrap(),
            subscribe: Words::default(),
            publish: Words::default(),
            tokens: None,
            producer: None,
            audience: false,
            several_users: true,
            payload_bytes: 30,
        }
    }

    fn with_tokens(dialect: Dialect) -> Server {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"of.zero\nof.one\n").unwrap();
        let producer = Access::Given(Token::parse("of.producer", "it").unwrap());
        Server { tokens: Some(Tokens::read(file.path()).unwrap()), producer: Some(producer), ..server(dialect) }
    }

    fn profile(server: Server) -> Profile {
        Profile::templated(Templated::new(server).unwrap_or_else(|fault| panic!("{fault}")), RunId::new([1; 8]))
    }

    fn told(server: Server) -> String {
        Templated::new(server).err().unwrap().to_string()
    }

    /// In a line each: method and URL, headers, body.
    fn shown(request: Request) -> String {
        let headers = request.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        format!("{} {}\n{}{body}", request.method, request.url, headers.collect::<String>())
    }

    fn exchange(profile: &Profile, users: &[u32]) -> (String, String) {
        let seat = Seat { user: 1, cursor: Some("7"), token_ttl: None };
        let stamp = Stamp { run: RunId::new([1; 8]), number: 5, due_us: 9 };
        (shown(profile.subscribe(&seat).unwrap()), shown(profile.publish(stamp, users).unwrap()))
    }

    #[test]
    fn nchan_is_spoken() {
        let (subscribe, publish) = exchange(&profile(server(Dialect::Nchan)), &[1]);
        let stream = "GET http://127.0.0.1:9/sub/lt-11111111-1\naccept: text/event-stream\nlast-event-id: 7\n";
        assert_eq!(subscribe, stream);
        let message =
            "POST http://127.0.0.1:9/pub/lt-11111111-1\ncontent-type: text/plain\n~lt.11111111.5.9~xxxxxxxxxxxxx";
        assert_eq!(publish, message);
    }

    #[test]
    fn mercure_is_spoken() {
        let (subscribe, publish) = exchange(&profile(with_tokens(Dialect::Mercure)), &[1]);
        let stream = "GET http://127.0.0.1:9/.well-known/mercure?topic=lt-11111111-1\naccept: text/event-stream\n\
                      authorization: Bearer of.one\nlast-event-id: 7\n";
        assert_eq!(subscribe, stream);
        let message = "POST http://127.0.0.1:9/.well-known/mercure\ncontent-type: application/x-www-form-urlencoded\n\
                       authorization: Bearer of.producer\ntopic=lt-11111111-1&data=~lt.11111111.5.9~xxxxxxxxxxxxx";
        assert_eq!(publish, message);
        let (subscribe, publish) = exchange(&profile(server(Dialect::Mercure)), &[1]);
        assert!(!subscribe.contains("authorization") && !publish.contains("authorization"));
    }

    #[test]
    fn centrifugo_is_spoken() {
        let (subscribe, publish) = exchange(&profile(with_tokens(Dialect::Centrifugo)), &[1]);
        let stream = "GET http://127.0.0.1:9/connection/uni_sse?cf_connect=%7B%22token%22:%22of.one%22,\
                      %22subs%22:%7B%22lt-11111111-1%22:%7B%7D%7D%7D\naccept: text/event-stream\n";
        assert_eq!(subscribe, stream);
        let head = "content-type: application/json\nx-centrifugo-error-mode: transport\nx-api-key: of.producer\n";
        let data = r#""data":{"content":"~lt.11111111.5.9~xxxxxxxxxxxxx"}"#;
        let message = format!("POST http://127.0.0.1:9/api/publish\n{head}{{\"channel\":\"lt-11111111-1\",{data}}}");
        assert_eq!(publish, message);

        let audience = Server { audience: true, ..with_tokens(Dialect::Centrifugo) };
        let (_, publish) = exchange(&profile(audience), &[1, 2]);
        let channels = r#""channels":["lt-11111111-1","lt-11111111-2"]"#;
        assert_eq!(publish, format!("POST http://127.0.0.1:9/api/broadcast\n{head}{{{channels},{data}}}"));

        let (subscribe, publish) = exchange(&profile(server(Dialect::Centrifugo)), &[1]);
        assert!(!subscribe.contains("token") && !publish.contains("x-api-key"), "{subscribe}{publish}");
    }

    #[test]
    fn any_other_is_spoken_as_it_is_typed() {
        let words = |url: &str, body: Option<&str>| Words {
            url: Some(url.to_owned()),
            body: body.map(str::to_owned),
            ..Words::default()
        };
        let typed = || Server {
            subscribe: words("/events?for={user}&after={cursor}", None),
            publish: words("http://other/", Some(r#"{"to":{users},"{run}":["{key}","{stamp}",{message}]}"#)),
            ..server(Dialect::Generic)
        };
        let generic = profile(Server { audience: true, ..typed() });
        let (subscribe, publish) = exchange(&generic, &[1, 2]);
        assert_eq!(subscribe, "GET http://127.0.0.1:9/events?for=lt-11111111-1&after=7\naccept: text/event-stream\n");
        let to = r#"{"to":["lt-11111111-1","lt-11111111-2"],"11111111":["lt-11111111-5","~lt.11111111.5.9~",5]}"#;
        assert_eq!(publish, format!("POST http://other/\ncontent-type: application/json\n{to}"));
        assert_eq!((generic.name(), generic.resends(), generic.renews()), ("generic", false, false));

        for (server, expected) in [
            (server(Dialect::Generic), "--subscribe-url is missing"),
            (Server { publish: Words::default(), ..typed() }, "--publish-url is missing"),
            (Server { publish: words("/", Some("{}")), ..typed() }, "nothing that is published has {content}"),
            (Server { publish: words("/", Some(r#""{stamp}{cursor}""#)), ..typed() }, "--publish-body: {cursor} is no"),
            (Server { subscribe: words("/{users}", None), ..typed() }, "--subscribe-url: {users} is no variable"),
            (Server { subscribe: words("/{token}", None), ..typed() }, "what opens a stream has {token}, and there is"),
            (Server { publish: words("/{token}{stamp}", None), ..typed() }, "what is published has {token}, and there"),
            (
                Server { audience: true, ..server(Dialect::Nchan) },
                "in mode audience a message goes to several users at \
                                                                   once, and nothing",
            ),
            (
                Server { audience: true, publish: words("/{user}", Some("[{users},\"{stamp}\"]")), ..typed() },
                "in mode audience a message goes to several users at once, so that {user}",
            ),
            (Server { subscribe: words("/", None), ..typed() }, "what is published has neither {user} nor"),
            (Server { publish: words("/{stamp}", None), ..typed() }, "what is published has neither {user} nor"),
        ] {
            let fault = told(server);
            assert!(fault.starts_with(expected), "{fault}");
        }
        let alone = Server { subscribe: words("/", None), several_users: false, ..typed() };
        assert!(Templated::new(alone).is_ok());
    }

    #[test]
    fn an_event_is_heard_by_its_stamp() {
        let centrifugo = profile(server(Dialect::Centrifugo));
        let stamp = Stamp { run: RunId::new([1; 8]), number: 5, due_us: 9 };
        let block = |data: &str| Block { event: "message".to_owned(), data: Some(data.to_owned()), ..Block::default() };
        let push = format!(r#"{{"channel":"a","pub":{{"data":{{"content":"{stamp}xx"}}}}}}"#);
        assert_eq!(centrifugo.hear(&block(&push)), Heard::Message(Message { stamp, counts: None }));
        let messages = [stamp, Stamp { number: 6, ..stamp }].map(|stamp| Message { stamp, counts: None });
        let several = format!("[\"{}\",\"{}\"]", messages[0].stamp, messages[1].stamp);
        assert_eq!(centrifugo.hear(&block(&several)), Heard::Messages(messages.to_vec()));
        let ends = Close { reason: "shutdown (3001)".to_owned(), reconnect: true, retry_ms: 500 };
        assert_eq!(centrifugo.hear(&block(r#"{"disconnect":{"code":3001,"reason":"shutdown"}}"#)), Heard::Close(ends));
        for other in [r#"{"connect":{"client":"a"}}"#, ""] {
            assert_eq!(centrifugo.hear(&block(other)), Heard::Other);
        }
        assert_eq!(centrifugo.hear(&Block::default()), Heard::Other);

        // One that comes twice is two, and one that is named twice by its template is one.
        let twice = |times: usize| block(&format!("{stamp}x").repeat(times));
        let heard = |profile: &Profile, times| match profile.hear(&twice(times)) {
            Heard::Message(_) => 1,
            Heard::Messages(messages) => messages.len(),
            _ => 0,
        };
        let mut named_twice = server(Dialect::Centrifugo);
        named_twice.publish.body = Some(r#"{"channel":"{user}","data":["{stamp}","{content}"]}"#.to_owned());
        let named_twice = profile(named_twice);
        assert_eq!([1, 2, 3].map(|times| heard(&centrifugo, times)), [1, 2, 3]);
        assert_eq!([1, 2, 3, 4].map(|times| heard(&named_twice, times)), [1, 1, 2, 2]);
    }
}
