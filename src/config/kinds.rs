//! The kinds of values: what each takes, within which bounds, and what it says of anything else.

use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::layers::Source;
use super::settings::Reading;
use super::value::Value;
use crate::auth::{FileFault, KeyFile};
use crate::cli::duration;

/// Units of sizes, the largest first.
const SIZES: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// A time like `30s`, within these bounds.
pub fn time(bounds: RangeInclusive<Duration>) -> impl Fn(&Value, &Source) -> Reading<Duration> {
    move |value, _| {
        let text = value.text().map_err(|fault| format!("{fault}, like \"30s\""))?;
        let time = duration::parse(text)?;
        if !bounds.contains(&time) {
            let (least, most) = (duration::shown(*bounds.start()), duration::shown(*bounds.end()));
            return Err(format!("a time from {least} to {most} is needed"));
        }
        Ok((time, Value::Text(text.to_owned())))
    }
}

/// A size like `256MiB`, of at least so many bytes.
pub fn size(least: u64) -> impl Fn(&Value, &Source) -> Reading<usize> {
    move |value, _| {
        let text = value.text().map_err(|fault| format!("{fault}, like \"256MiB\""))?;
        let fault = || "a size is a whole number and a unit: 512KiB, 256MiB or 1GiB".to_owned();
        let (unit, bytes) = SIZES.into_iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(fault)?;
        let number: u64 = text.trim_end_matches(unit).parse().map_err(|_| fault())?;
        let size = number.checked_mul(bytes).and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(fault)?;
        if (size as u64) < least {
            return Err(format!("at least {} MiB are needed", least >> 20));
        }
        Ok((size, Value::Text(text.to_owned())))
    }
}

/// A whole number within these bounds.
pub fn whole<T: TryFrom<i64>>(bounds: RangeInclusive<i64>) -> impl Fn(&Value, &Source) -> Reading<T> {
    move |value, _| {
        let number = value.number()?;
        let within = bounds.contains(&number).then(|| T::try_from(number).ok()).flatten();
        let meaning = within.ok_or_else(|| format!("{} to {} is needed", bounds.start(), bounds.end()))?;
        Ok((meaning, Value::Number(number)))
    }
}

/// True or false.
pub fn switch(value: &Value, _: &Source) -> Reading<bool> {
    let on = value.switch()?;
    Ok((on, Value::Switch(on)))
}

/// A text; an empty one is none.
pub fn text(value: &Value, _: &Source) -> Reading<Option<String>> {
    let text = value.text()?.to_owned();
    Ok((Some(text.clone()).filter(|text| !text.is_empty()), Value::Text(text)))
}

/// A text that is not empty.
pub fn name(value: &Value, source: &Source) -> Reading<String> {
    let (name, value) = text(value, source)?;
    Ok((name.ok_or("it is empty")?, value))
}

/// One of these words.
pub fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Value, &Source) -> Reading<T> {
    move |value, _| {
        let text = value.text()?;
        let known = words.iter().find(|(word, _)| *word == text);
        let all = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let (word, meaning) = known.ok_or_else(|| format!("one of these is needed: {}", all()))?;
        Ok((*meaning, Value::Text((*word).to_owned())))
    }
}

/// A text that says by itself what it takes.
pub fn parsed<T: FromStr<Err = String>>(value: &Value, _: &Source) -> Reading<T> {
    let text = value.text()?;
    Ok((text.parse()?, Value::Text(text.to_owned())))
}

/// Several of a kind.
pub fn list<T>(kind: impl Fn(&Value, &Source) -> Reading<T>) -> impl Fn(&Value, &Source) -> Reading<Vec<T>> {
    move |value, source| {
        let entries = value.list()?;
        let several = entries.len() > 1;
        let read = entries.iter().enumerate().map(|(n, entry)| {
            kind(entry, source).map_err(|why| if several { format!("entry {}: {why}", n + 1) } else { why })
        });
        let (meanings, values) = read.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        Ok((meanings, Value::List(values)))
    }
}

/// A key file: its path, or a table of `file`, `kid` and `algorithm`. It is read, so that all that is wrong is told.
pub fn key_file(value: &Value, source: &Source) -> Reading<KeyFile> {
    let fields = match value {
        Value::Word(_) | Value::Text(_) => vec![("file".to_owned(), value.clone())],
        Value::Table(fields) => fields.clone(),
        _ => {
            return Err("a key is the path of its file, or { file = \"…\", kid = \"…\", algorithm = \"…\" }".to_owned());
        }
    };
    let mut texts = [("file", None), ("kid", None), ("algorithm", None)];
    for (field, value) in &fields {
        let known = texts.iter_mut().find(|(known, _)| known == field);
        let (_, text) = known.ok_or("a key has a field that is none of file, kid and algorithm")?;
        *text = Some(name(value, source).map_err(|why| format!("{field}: {why}"))?.0);
    }
    let [(_, file), (_, kid), (_, algorithm)] = &mut texts;
    let path = source.directory().join(file.as_deref().ok_or("a key needs its file")?);
    // As it is found from everywhere.
    let path = std::path::absolute(&path).unwrap_or(path);
    *file = Some(path.to_string_lossy().into_owned());
    let key = KeyFile { path, kid: kid.clone(), algorithm: algorithm.clone() };
    key.check().map_err(|fault| match fault {
        // Where there is no file, it may be the key itself, at the place of its file's path.
        FileFault::Missing => format!("its file {fault}"),
        FileFault::Unreadable(ref why) if why.kind() != ErrorKind::PermissionDenied => format!("its file {fault}"),
        _ => format!("its file {} {fault}", key.path.display()),
    })?;
    let shown = texts.into_iter().filter_map(|(field, text)| Some((field.to_owned(), Value::Text(text?))));
    Ok((key, Value::Table(shown.collect())))
}
