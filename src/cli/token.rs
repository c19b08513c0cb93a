//! What can be typed after `lumen token`.

use std::time::Duration;

use clap::Args;

use super::duration;
use crate::domain::ids::UserId;
use crate::domain::limits::USER_ID_BYTES;

/// Sign a token with the data directory's key, and print it.
#[derive(Debug, Clone, Args)]
pub struct Options {
    #[command(flatten)]
    pub bearer: Bearer,

    /// How long it is good: 30s, 15m, 1h, 7d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    pub ttl: Duration,
}

/// Whom the token is for.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Bearer {
    /// A user: reads and marks the own inbox, and opens its stream.
    #[arg(long, value_name = "ID")]
    pub user: Option<UserId>,

    /// A producer: posts notifications for everyone.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "producer", value_parser = name)]
    pub producer: Option<String>,

    /// An operator.
    #[arg(long)]
    pub admin: bool,
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = duration::parse(text)?;
    if ttl.is_zero() { Err("a token that is good for no time is no use".to_owned()) } else { Ok(ttl) }
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > USER_ID_BYTES {
        return Err(format!("a name has 1 to {USER_ID_BYTES} bytes"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        options: Options,
    }

    fn typed(line: &str) -> Option<Options> {
        let words = std::iter::once("token").chain(line.split_whitespace());
        Typed::try_parse_from(words).ok().map(|typed| typed.options)
    }

    #[test]
    fn a_token_is_for_exactly_one() {
        assert_eq!(typed("--user ada").unwrap().bearer.user.unwrap().as_str(), "ada");
        assert_eq!(typed("--producer --ttl 7d").unwrap().bearer.producer.as_deref(), Some("producer"));
        assert_eq!(typed("--producer shop").unwrap().bearer.producer.as_deref(), Some("shop"));
        assert!(typed("--admin").unwrap().bearer.admin);
        for bad in ["", "--user ada --producer", "--admin --producer", "--user ada --ttl 0s", "--user ada --ttl 1"] {
            assert!(typed(bad).is_none(), "{bad}");
        }
    }
}
