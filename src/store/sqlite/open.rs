//! Opening the database: whose it is, which version, whether it is whole.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::fault::Fault;
use super::files::{Files, InPlace};
use super::schema;
use crate::domain::cursor::EpochSecret;
use crate::domain::ids::{Millis, UserId};
use crate::random;
use crate::store::Config;
use crate::store::error::OpenError;

/// How long a statement waits for another process that holds the lock.
const BUSY: Duration = Duration::from_secs(5);
/// The size to which the write-ahead log is cut when it begins anew; far below the writer's cap, which looks at its size.
const LOG_BYTES_KEPT: i64 = 16 * 1024 * 1024;
/// Pages that the writer keeps in memory, in KiB (SQLite wants it negative): the ends of its tables and indexes.
const WRITER_CACHE_KIB: i64 = -16 * 1024;
/// Statements kept prepared on a connection: all of ours.
pub(super) const STATEMENTS: usize = 64;
/// The file was made before, and its path is no URI.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
/// The first SQLite without the bug that loses commits when the log is reset.
const SQLITE_MIN: i32 = 3_051_003;

pub(in crate::store) struct Opened {
    pub writer: tokio_rusqlite::Connection,
    pub readers: Vec<tokio_rusqlite::Connection>,
    pub caretaker: tokio_rusqlite::Connection,
    pub files: InPlace,
    pub secret: Arc<EpochSecret>,
    pub survey: Survey,
    /// This run of a server on this database.
    pub generation: i64,
}

/// What is looked up once, by reading every inbox.
pub(in crate::store) struct Survey {
    /// Whose tokens are refused, and up to which moment of signing.
    pub not_before: HashMap<UserId, Millis>,
    /// Inboxes with more rows than they should have.
    pub overfull: Vec<i64>,
}

pub(in crate::store) async fn open(path: &Path, config: &Config) -> Result<Opened, OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::OldSqlite { found: rusqlite::version() });
    }
    let files = Files::of(path);
    files.check()?;
    create(path).map_err(|fault| unusable(path, &fault))?;
    let writer =
        tokio_rusqlite::Connection::open_with_flags(path, FLAGS).await.map_err(|fault| classify(path, fault))?;
    let prepared = {
        let path = path.to_owned();
        let inbox_rows = config.inbox_rows;
        writer.call(move |connection| prepare(connection, &path, inbox_rows)).await
    };
    let (secret, survey) = match prepared {
        Ok(prepared) => prepared,
        Err(fault) => {
            // Whoever is told that the file was refused may move it away at once.
            let _ = writer.close().await;
            return Err(match fault {
                tokio_rusqlite::Error::Error(fault) => fault,
                fault => OpenError::unusable(path, fault),
            });
        }
    };
    let mut opened = Vec::with_capacity(config.readers);
    for _ in 0..config.readers {
        opened.push(open_beside(path, set_up_reader).await?);
    }
    let caretaker = open_beside(path, set_up_caretaker).await?;
    let files = files.opened().map_err(|fault| unusable(path, &fault))?;
    let generation = i64::from_le_bytes(random::bytes());
    let secret = Arc::new(EpochSecret::new(&secret));
    Ok(Opened { writer, readers: opened, caretaker, files, secret, survey, generation })
}

/// SQLite would make the file readable for everyone.
fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path).map(drop)
}

fn prepare(connection: &mut Connection, path: &Path, inbox_rows: u64) -> Result<([u8; 32], Survey), OpenError> {
    let fault = |fault| classify(path, fault);
    connection.busy_timeout(BUSY).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    leave_log_on_close(connection).map_err(fault)?;
    check_owner(connection, path)?;
    check_whole(connection, path)?;
    set_up(connection).map_err(fault)?;
    schema::migrate(connection).map_err(fault)?;
    // A disk that is full, or cannot be written, is told now and not to the first who publishes.
    schema::touch(connection).map_err(fault)?;
    let secret = connection.query_row("SELECT secret FROM meta", [], |row| row.get(0)).map_err(fault)?;
    Ok((secret, survey(connection, inbox_rows).map_err(fault)?))
}

pub(super) fn survey(connection: &Connection, inbox_rows: u64) -> rusqlite::Result<Survey> {
    let mut survey = Survey { not_before: HashMap::new(), overfull: Vec::new() };
    let mut select = connection.prepare(
        "SELECT id, rows > ?1, user, not_before FROM inbox
         WHERE user IS NOT NULL AND (rows > ?1 OR not_before IS NOT NULL)",
    )?;
    let mut inboxes = select.query([i64::try_from(inbox_rows).unwrap_or(i64::MAX)])?;
    while let Some(inbox) = inboxes.next()? {
        if inbox.get(1)? {
            survey.overfull.push(inbox.get(0)?);
        }
        if let Some(not_before) = inbox.get(3)? {
            survey.not_before.insert(UserId::stored(inbox.get_ref(2)?.as_str()?), not_before);
        }
    }
    Ok(survey)
}

fn check_owner(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let fault = |fault| classify(path, fault);
    let application = pragma("application_id").map_err(fault)?;
    let tables: i64 =
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
    let path = path.to_owned();
    if application != schema::APPLICATION_ID && (application != 0 || tables > 0) {
        return Err(OpenError::Foreign { path, found: application });
    }
    match pragma("user_version").map_err(|fault| classify(&path, fault))? {
        found if found > schema::VERSION => Err(OpenError::Newer { path, found, known: schema::VERSION }),
        _ => Ok(()),
    }
}

fn check_whole(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|fault| classify(path, fault))?;
    match verdict.lines().last() {
        Some("ok") => Ok(()),
        // The lines before it only say in which database.
        why => Err(OpenError::Damaged { path: path.to_owned(), why: why.unwrap_or_default().to_owned() }),
    }
}

/// `FULL` makes each COMMIT wait for the disk. With many jobs to a commit it is about as fast as `NORMAL`, which loses
/// the newest commits when the power goes.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    // A commit would fold the log in too, and hold its tongue when the disk fails over it.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A large statement's own journal is a file else, which cannot be opened once descriptors have run out.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE_KIB)
}

/// So does the last connection as it is closed; and after a failed fsync it would take the log away.
fn leave_log_on_close(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

/// Syncs as the writer does: what it moves into the database must be on disk before its place in the log is used again.
fn set_up_caretaker(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)
}

fn set_up_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "query_only", true)?;
    // The first question opens the log: now, and not when descriptors may have run out.
    connection.query_row("SELECT id FROM meta", [], |_| Ok(()))
}

/// Another connection to a database that was prepared.
async fn open_beside(
    path: &Path,
    set_up: fn(&Connection) -> rusqlite::Result<()>,
) -> Result<tokio_rusqlite::Connection, OpenError> {
    let connection =
        tokio_rusqlite::Connection::open_with_flags(path, FLAGS).await.map_err(|fault| classify(path, fault))?;
    let ready = connection.call(move |connection| {
        connection.busy_timeout(BUSY)?;
        leave_log_on_close(connection)?;
        set_up(connection)
    });
    match ready.await {
        Ok(()) => Ok(connection),
        Err(tokio_rusqlite::Error::Error(fault)) => Err(classify(path, fault)),
        Err(fault) => Err(OpenError::unusable(path, fault)),
    }
}

fn unusable(path: &Path, fault: &io::Error) -> OpenError {
    match fault.kind() {
        ErrorKind::StorageFull => OpenError::Full { path: path.to_owned() },
        _ => OpenError::unusable(path, fault),
    }
}

fn classify(path: &Path, fault: rusqlite::Error) -> OpenError {
    let (owned, code) = (path.to_owned(), fault.sqlite_error_code());
    match (Fault::from(fault), code) {
        (Fault::Full, _) => OpenError::Full { path: owned },
        (Fault::Locked, _) => OpenError::Locked { path: owned },
        (Fault::Disk(why), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => {
            OpenError::Damaged { path: owned, why }
        }
        (Fault::Disk(why), Some(ErrorCode::SystemIoFailure)) => OpenError::Io { path: owned, why },
        (Fault::Disk(why) | Fault::Job(why), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) => {
            OpenError::unusable_directory(path, why)
        }
        (Fault::Disk(why) | Fault::Job(why), _) => OpenError::unusable(path, why),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn opened(dir: &Path) -> Opened {
        let (max_age, write_timeout) = (Duration::from_secs(3600), Duration::from_secs(10));
        let config = Config { readers: 1, inbox_rows: 10, max_age, write_timeout };
        open(&dir.join("lumen.db"), &config).await.unwrap()
    }

    #[tokio::test]
    async fn each_connection_is_set_up_for_its_task() {
        let dir = tempfile::tempdir().unwrap();
        let opened = opened(dir.path()).await;
        let (writer, caretaker, reader) = (&opened.writer, &opened.caretaker, &opened.readers[0]);
        for (who, connection, pragma, expected) in [
            ("writer", writer, "synchronous", 2),
            ("writer", writer, "wal_autocheckpoint", 0),
            ("writer", writer, "journal_size_limit", 16 * 1024 * 1024),
            ("writer", writer, "cache_size", -16_384),
            ("writer", writer, "temp_store", 2),
            ("writer", writer, "busy_timeout", 5_000),
            ("caretaker", caretaker, "synchronous", 2),
            ("caretaker", caretaker, "wal_autocheckpoint", 0),
            ("caretaker", caretaker, "busy_timeout", 5_000),
            ("reader", reader, "query_only", 1),
            ("reader", reader, "temp_store", 2),
            ("reader", reader, "busy_timeout", 5_000),
        ] {
            let found = connection
                .call(move |connection| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)));
            assert_eq!(found.await.unwrap(), expected, "{pragma} of the {who}");
        }
    }

    /// After a failed fsync it holds what the database has not.
    #[tokio::test]
    async fn the_last_connection_that_is_closed_leaves_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let Opened { writer, caretaker, readers, .. } = opened(dir.path()).await;
        let log_bytes = || dir.path().join("lumen.db-wal").metadata().map_or(0, |log| log.len());
        let before = log_bytes();
        assert!(before > 0);
        for connection in readers.into_iter().chain([caretaker, writer]) {
            connection.close().await.unwrap();
        }
        assert_eq!(log_bytes(), before);
    }

    #[test]
    fn a_full_disk_is_told_as_one() {
        let found = |kind| unusable(Path::new("lumen.db"), &io::Error::from(kind));
        assert!(matches!(found(ErrorKind::StorageFull), OpenError::Full { .. }));
        assert!(matches!(found(ErrorKind::PermissionDenied), OpenError::Unusable { .. }));
    }
}
