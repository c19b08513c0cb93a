//! Query parameters, each at most once. They may hold a token, so none is ever logged.

use axum::extract::Query as Pairs;
use http::Uri;

use super::problem::malformed;
use crate::domain::draft::shown;
use crate::wire::problem::Problem;

/// The parameters of a request, in order.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// What is no query at all counts as none: decoding takes any text.
    pub fn of(uri: &Uri) -> Self {
        Self(Pairs::try_from_uri(uri).map(|Pairs(pairs)| pairs).unwrap_or_default())
    }

    /// The parameter of that name, if it is there.
    ///
    /// # Errors
    /// A 400 if it is there twice: no reader may take one and the next the other.
    pub fn get(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut named = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = named.next();
        if named.next().is_some() {
            return Err(bad_parameter(format!("the parameter {name} is there twice")));
        }
        Ok(value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Refuses parameters of other names, so that a slip of the pen is not taken for consent.
    pub fn only(&self, names: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                Err(bad_parameter(format!("{} is unknown here; known are {}", shown(name), names.join(", "))))
            }
        }
    }
}

/// The 400 for a parameter that cannot be meant.
pub fn bad_parameter(detail: impl Into<String>) -> Problem {
    malformed("bad_parameter", "A query parameter is wrong", detail, "correct or leave out the parameter")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/path?{text}").parse().unwrap())
    }

    #[test]
    fn a_parameter_is_decoded_and_is_there_once() {
        assert_eq!(query("a=x%20y+z&b=").get("a").unwrap(), Some("x y z"));
        assert_eq!(query("a=x&b=").get("b").unwrap(), Some(""));
        assert_eq!(query("a=x").get("b").unwrap(), None);
        assert_eq!(query("a=x&a=x").get("a").unwrap_err().status, 400);
        assert_eq!(Query::of(&"/path".parse().unwrap()).get("a").unwrap(), None);
        assert!(query("%ff&&=&a=%zz%").get("b").is_ok());
    }

    #[test]
    fn an_unknown_parameter_is_refused() {
        assert!(query("limit=1&before=2").only(&["limit", "before"]).is_ok());
        let refusal = query("limit=1&befor=2").only(&["limit", "before"]).unwrap_err();
        assert_eq!((refusal.status, refusal.code.as_ref()), (400, "bad_parameter"));
        assert_eq!(refusal.detail, "befor is unknown here; known are limit, before");
    }
}
