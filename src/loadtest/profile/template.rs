//! Texts with variables: `/sub/{user}`. A brace that no lower-case letter follows stands for itself, so that JSON is
//! written as it is; `{{` is one brace.

use std::borrow::Cow;

/// What a text can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// The user's name.
    User,
    /// The names of all users of a message, as a JSON array.
    Users,
    /// The message's number.
    Message,
    /// The token that opens a stream, or that publishes.
    Token,
    /// The mark of a message, which has to come back.
    Stamp,
    /// The stamp, and what pads it to the payload's size.
    Content,
    /// The message's own name, the same at each try.
    Key,
    /// The run's name.
    Run,
    /// The id of the last event that a stream was told; nothing at first.
    Cursor,
}

/// Where a text goes, which says what must be escaped in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A URL or a form.
    Percent,
    /// Within the quotes of a JSON text.
    Json,
    /// As it is: a header, whose text is checked as a whole, or a body of another kind.
    Plain,
}

/// A text that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    #[error("{{{name}}} is no variable here; there are {known}; for the brace itself write {{{{")]
    Unknown { name: String, known: String },
    #[error("{{{name} has no closing brace; for the brace itself write {{{{")]
    Unclosed { name: String },
}

impl Variable {
    const ALL: [Variable; 9] = [
        Variable::User,
        Variable::Users,
        Variable::Message,
        Variable::Token,
        Variable::Stamp,
        Variable::Content,
        Variable::Key,
        Variable::Run,
        Variable::Cursor,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Variable::User => "user",
            Variable::Users => "users",
            Variable::Message => "message",
            Variable::Token => "token",
            Variable::Stamp => "stamp",
            Variable::Content => "content",
            Variable::Key => "key",
            Variable::Run => "run",
            Variable::Cursor => "cursor",
        }
    }

    fn named(name: &str, known: &[Variable]) -> Result<Self, TemplateFault> {
        let found = Self::ALL.into_iter().find(|variable| variable.name() == name && known.contains(variable));
        found.ok_or_else(|| {
            let known: Vec<String> = known.iter().map(|variable| format!("{{{}}}", variable.name())).collect();
            TemplateFault::Unknown { name: name.to_owned(), known: known.join(" ") }
        })
    }
}

impl Template {
    /// Reads a text that may name these variables.
    ///
    /// # Errors
    /// Another variable, or one that does not end.
    pub fn parse(text: &str, known: &[Variable]) -> Result<Self, TemplateFault> {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            literal.push_str(before);
            let letters = after.bytes().take_while(|byte| byte.is_ascii_lowercase() || *byte == b'_').count();
            let (name, behind) = after.split_at(letters);
            if name.is_empty() {
                literal.push('{');
                rest = after.strip_prefix('{').unwrap_or(after);
                continue;
            }
            let unclosed = || TemplateFault::Unclosed { name: name.to_owned() };
            rest = behind.strip_prefix('}').ok_or_else(unclosed)?;
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
            pieces.push(Piece::Variable(Variable::named(name, known)?));
        }
        pieces.push(Piece::Text(literal + rest));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Self(pieces))
    }

    pub fn uses(&self, variable: Variable) -> bool {
        self.0.contains(&Piece::Variable(variable))
    }

    /// The text with the variables' values in their place, escaped as it demands.
    pub fn fill<'v>(&self, place: Place, value: impl Fn(Variable) -> Cow<'v, str>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Variable(variable) => place.push(&mut text, *variable, &value(*variable)),
            }
        }
        text
    }
}

impl Place {
    /// The place that a body of this media type is.
    pub fn of_body(media_type: &str) -> Self {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/x-www-form-urlencoded" => Place::Percent,
            json if json.contains("json") => Place::Json,
            _ => Place::Plain,
        }
    }

    fn push(self, text: &mut String, variable: Variable, value: &str) {
        match self {
            Place::Percent => push_percent(text, value),
            // JSON already.
            Place::Json if variable == Variable::Users => text.push_str(value),
            Place::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                text.push_str(&quoted[1..quoted.len() - 1]);
            }
            Place::Plain => text.push_str(value),
        }
    }
}

/// All but the characters that mean nothing anywhere in a URL.
fn push_percent(text: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Variable] = &[Variable::User, Variable::Users, Variable::Message];

    fn filled(text: &str, place: Place) -> String {
        Template::parse(text, KNOWN).unwrap().fill(place, |variable| match variable {
            Variable::User => r#"a/ü "b"&~"#.into(),
            Variable::Users => r#"["a","b"]"#.into(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_value_is_escaped_as_its_place_demands() {
        assert_eq!(
            filled("/sub/{user}?x={user}", Place::Percent),
            "/sub/a%2F%C3%BC%20%22b%22%26~?x=a%2F%C3%BC%20%22b%22%26~"
        );
        assert_eq!(filled(r#"{"u":"{user}","all":{users}}"#, Place::Json), r#"{"u":"a/ü \"b\"&~","all":["a","b"]}"#);
        assert_eq!(filled("{user}", Place::Plain), r#"a/ü "b"&~"#);
        assert_eq!(filled("all={users}", Place::Percent), "all=%5B%22a%22%2C%22b%22%5D");
    }

    #[test]
    fn braces_that_begin_no_variable_stand_for_themselves() {
        for (text, expected) in [
            ("", ""),
            (r#"{"a":{"b":[{ }]}}"#, r#"{"a":{"b":[{ }]}}"#),
            ("{{user}", "{user}"),
            ("{", "{"),
            ("{}", "{}"),
            ("{User}", "{User}"),
            ("a{{{{b", "a{{b"),
            ("}", "}"),
        ] {
            assert_eq!(filled(text, Place::Plain), expected, "{text}");
        }
        assert!(!Template::parse("{{user}", KNOWN).unwrap().uses(Variable::User));
        assert!(Template::parse("a{user}", KNOWN).unwrap().uses(Variable::User));
    }

    #[test]
    fn what_is_no_variable_here_is_told_with_those_that_are() {
        let told = |text: &str| Template::parse(text, KNOWN).unwrap_err().to_string();
        let known = "is no variable here; there are {user} {users} {message}; for the brace itself write {{";
        assert_eq!(told("/{usr}"), format!("{{usr}} {known}"));
        assert_eq!(told("/{token}"), format!("{{token}} {known}"));
        assert_eq!(told("/{user"), "{user has no closing brace; for the brace itself write {{");
        assert_eq!(told("/{user }"), "{user has no closing brace; for the brace itself write {{");
    }

    #[test]
    fn a_bodys_place_is_known_by_its_media_type() {
        for (media_type, place) in [
            ("application/json", Place::Json),
            ("Application/JSON; charset=utf-8", Place::Json),
            ("application/ld+json", Place::Json),
            ("application/x-www-form-urlencoded", Place::Percent),
            ("text/plain", Place::Plain),
            ("", Place::Plain),
        ] {
            assert_eq!(Place::of_body(media_type), place, "{media_type}");
        }
    }
}
