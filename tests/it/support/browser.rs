//! A headless Chromium with the seed's page in it, driven by Debian's chromedriver.
//!
//! It talks to loopback alone, leaves nothing outside of a directory of its own, and ends with its handle. What the page
//! should show is the story's.

use std::env;
use std::future::Future;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::error::WebDriverResult;
use thirtyfour::{ChromeCapabilities, ChromiumLikeCapabilities, WebDriver};

use super::child::first_line;
use super::patience;

const SEED_PAGE: &str = include_str!("seed_page.js");
const UNTIL_THERE: &str = include_str!("until_there.js");

/// How long the page waits for what it should show: under the patience with the driver, so that it can still be told
/// what the page shows instead.
const PAGE_PATIENCE: Duration = patience::PATIENCE.checked_sub(Duration::from_secs(3)).expect("some seconds");

/// What Chromium is to be, besides what chromedriver itself asks of it.
const FLAGS: [&str; 8] = [
    "--headless=new",
    // As root it does not start with one.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    // A container's is often too small.
    "--disable-dev-shm-usage",
    "--disable-component-update",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.*",
];

/// A running browser with one tab. What it is made of ends in this order.
pub struct Browser {
    driver: WebDriver,
    _chromedriver: Chromedriver,
    _dir: TempDir,
}

/// A chromedriver, killed with all that it started when it is dropped.
struct Chromedriver(Child);

/// What the page's EventSource told, in the order in which it did.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Heard {
    /// `open`, `error`, or the event's name.
    pub name: String,
    /// The cursor that the browser then stood at.
    pub id: String,
    pub data: Value,
}

impl Browser {
    /// # Panics
    /// With the cure, where there is no Chromium or no driver for it.
    pub async fn start() -> Self {
        let (chromedriver, chromium) = (installed("chromedriver"), installed("chromium"));
        let dir = tempfile::tempdir().expect("a directory");
        let (chromedriver, base) = Chromedriver::start(&chromedriver, dir.path()).await;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let builder = WebDriver::builder(base, wishes(&chromium, dir.path())).client(client);
        let driver = answer(builder.connect()).await.expect("a browser");
        let browser = Self { driver, _chromedriver: chromedriver, _dir: dir };
        answer(browser.driver.set_script_timeout(PAGE_PATIENCE)).await.expect("a bound");
        browser
    }

    /// Goes to a document of the server at `base`, and makes it the seed's page, with more in its stream's query, such as
    /// `&last_event_id=000000-0`.
    pub async fn open(&self, base: &str, token: &str, more: &str) {
        answer(self.driver.goto(format!("{base}/healthz"))).await.expect("a document");
        answer(self.driver.execute(SEED_PAGE, [json!(token), json!(more)])).await.expect("the seed's page");
    }

    /// Waits until there are so many toasts; the texts of all that are there then.
    pub async fn toasts(&self, number: usize) -> Vec<String> {
        self.until_there("#toasts li", number).await
    }

    /// The unread count that the page shows.
    pub async fn badge(&self) -> String {
        self.until_there("#badge", 1).await.remove(0)
    }

    /// Waits until the page heard so many events of this name; all of them that it heard then.
    pub async fn heard(&self, name: &str, number: usize) -> Vec<Heard> {
        self.journal(&format!("#journal .{name}"), number).await
    }

    /// All that the page heard up to now.
    pub async fn heard_all(&self) -> Vec<Heard> {
        self.journal("#journal li", 0).await
    }

    /// What a script returns, the body of a function.
    pub async fn eval<T: DeserializeOwned>(&self, script: &str) -> T {
        let returned = answer(self.driver.execute(script, [])).await.expect("a script that ends");
        returned.convert().unwrap_or_else(|fault| panic!("{fault}: {:?}", returned.json()))
    }

    async fn journal(&self, selector: &str, number: usize) -> Vec<Heard> {
        let lines = self.until_there(selector, number).await;
        lines.iter().map(|line| serde_json::from_str(line).expect("a line of the journal")).collect()
    }

    async fn until_there(&self, selector: &str, number: usize) -> Vec<String> {
        match answer(self.driver.execute_async(UNTIL_THERE, [json!(selector), json!(number)])).await {
            Ok(texts) => texts.convert().expect("texts"),
            Err(fault) => {
                let page: String = self.eval("return document.body.innerHTML").await;
                panic!("not {number} of {selector}: {fault}\nin the page: {page}")
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its own drop would ask the driver to quit, over a connection that needs the runtime that this blocks.
        let _ = self.driver.clone().leak();
    }
}

impl Chromedriver {
    /// Starts it on a port that it chooses; also says where it is to be asked.
    async fn start(program: &Path, dir: &Path) -> (Self, String) {
        let mut command = Command::new(program);
        command.arg("--port=0").env("HOME", dir).env("TMPDIR", dir).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap_or_else(|fault| panic!("{fault}: {command:?}"));
        let stdout = process.stdout.take().expect("its stdout");
        let chromedriver = Self(process);
        let line = patience::within(first_line(stdout.into(), |line| port_of(line).is_some())).await.flatten();
        let port = line.as_deref().and_then(port_of).expect("the port that it started on");
        (chromedriver, format!("http://127.0.0.1:{port}"))
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        // The whole group: a browser whose story failed may still be there.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// Read from the line that says that chromedriver has started.
fn port_of(line: &str) -> Option<u16> {
    line.strip_prefix("ChromeDriver was started successfully on port ")?.strip_suffix('.')?.parse().ok()
}

/// What the driver answers.
async fn answer<T>(call: impl Future<Output = WebDriverResult<T>>) -> WebDriverResult<T> {
    patience::within(call).await.expect("an answer of the browser's driver")
}

/// Which browser it is to be, with its profile in `dir`.
fn wishes(chromium: &Path, dir: &Path) -> ChromeCapabilities {
    let mut wishes = ChromeCapabilities::new();
    wishes.set_binary(&chromium.to_string_lossy()).expect("an option");
    let profile = format!("--user-data-dir={}", dir.join("profile").display());
    for flag in FLAGS.into_iter().chain([profile.as_str()]) {
        wishes.add_arg(flag).expect("an option");
    }
    wishes
}

/// Where a program is that `scripts/test` installs.
fn installed(program: &str) -> PathBuf {
    let places = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&places).map(|place| place.join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{program} is not here: run scripts/test, which installs it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "no-such-browser is not here: run scripts/test")]
    fn what_is_not_installed_is_told_with_its_cure() {
        installed("no-such-browser");
    }

    #[test]
    fn the_port_is_read_from_the_line_that_has_it() {
        assert_eq!(port_of("ChromeDriver was started successfully on port 44691."), Some(44691));
        assert_eq!(port_of("Starting ChromeDriver 156.0.8078.79 on port 0"), None);
    }
}
