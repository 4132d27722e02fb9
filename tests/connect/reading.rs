//! In: connection strings, some made by chance. Out: whether the program reads them as libpq does. libpq is asked through Python's
//! ctypes: it lies beside the pg_dump of the tests.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use pgv2rs_copy::connect::parameters::Parameters;

use super::common::run::pg_dump;

const ASK: &str = r#"
import ctypes, json, sys
lib = ctypes.CDLL(sys.argv[1])
class Option(ctypes.Structure):
    _fields_ = [(n, ctypes.c_char_p) for n in ("keyword", "envvar", "compiled", "val", "label", "dispchar")] + [("dispsize", ctypes.c_int)]
lib.PQconninfoParse.restype = ctypes.POINTER(Option)
lib.PQconninfoFree.argtypes = [ctypes.POINTER(Option)]
def read(text):
    options = lib.PQconninfoParse(text.encode(), ctypes.byref(ctypes.c_char_p()))
    if not options:
        return None
    found, i = {}, 0
    while options[i].keyword:
        if options[i].val:
            found[options[i].keyword.decode()] = options[i].val
        i += 1
    lib.PQconninfoFree(options)
    try:
        return {name: value.decode() for name, value in found.items()}
    except UnicodeDecodeError:  # libpq passes such bytes on; the program does not
        return None
json.dump([read(t) for t in json.load(sys.stdin)], sys.stdout)
"#;

type Read = Option<BTreeMap<String, String>>;

/// None: libpq refuses it.
fn by_libpq(texts: &[String]) -> Vec<Read> {
    let bin = pg_dump();
    let root = bin.parent().and_then(|p| p.parent());
    let library = root.map_or("libpq.so.5".into(), |r| r.join("lib/libpq.so.5"));
    let mut python = Command::new("python3")
        .args(["-c", ASK])
        .arg(&library)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starting python3");
    let question = serde_json::to_vec(texts).expect("strings are JSON");
    let mut input = python.stdin.take().expect("its input is piped");
    input.write_all(&question).expect("asking python3");
    drop(input);
    let output = python.wait_with_output().expect("waiting for python3");
    assert!(output.status.success(), "asking {}", library.display());
    serde_json::from_slice(&output.stdout).expect("its answer is JSON")
}

fn by_us(text: &str) -> Read {
    let parameters = Parameters::parse(text).ok()?;
    let set = |name: &str| Some((name.to_string(), parameters.get(name)?.to_string()));
    Some(Parameters::names().filter_map(set).collect())
}

fn compare(texts: &[String]) {
    for (text, expected) in texts.iter().zip(by_libpq(texts)) {
        assert_eq!(by_us(text), expected, "{text:?}");
    }
}

#[test]
fn reads_connection_strings_as_libpq_does() {
    let texts = [
        "",
        "host=db port=5433 user=app dbname=shop",
        "  host = 'a b'  password='it''s' ",
        r"password=a\ b\'c\\d host='\'x\\'",
        "user='a=b' sslmode=verify-full sslrootcert=/etc/ca.crt",
        "host=a,b,c hostaddr=,,10.0.0.1 port=1,2,3",
        "nonsense=1",
        "host",
        "host=",
        "password='open",
        "postgresql://",
        "postgres://db",
        "postgresql://app:p%40ss@db:5433/shop?sslmode=require&application_name=x%20y",
        "postgresql://app@a:1,b:2,[::1]:3/shop?target_session_attrs=read-write",
        "postgresql://u:p?w@h/d",
        "postgresql://u:p/w@h/d",
        "postgresql://u@v@h/d",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/shop",
        "postgresql:///shop?host=/tmp&port=6000",
        "postgresql://h/d?ssl=true",
        "postgresql://h/d?a=b",
        "postgresql://h/d?user=x&user=y",
        "postgresql://h/d?user=x=y",
        "postgresql://h/d?user",
        "postgresql://h/%zz",
        "postgresql://h/%00",
        "postgresql://[::1/d",
        "postgresql://[::1]x/d",
        "postgresql://h:/d",
        "postgresql://:5432/d",
        "postgresql://h/d?",
        "postgresql://h/d?user=x&",
    ];
    compare(&texts.map(String::from));
}

#[test]
fn reads_strings_made_by_chance_as_libpq_does() {
    const PIECES: [&str; 40] = [
        "postgresql://",
        "postgres://",
        "host",
        "port",
        "user",
        "password",
        "dbname",
        "sslmode",
        "ssl",
        "true",
        "=",
        "=",
        "=",
        " ",
        "'",
        "'",
        "\\",
        "@",
        ":",
        "/",
        "?",
        "&",
        ",",
        "[",
        "]",
        "%",
        "%41",
        "%2f",
        "%3",
        "a",
        "B c",
        "5432",
        "é",
        "🦀",
        "\t",
        "\u{b}",
        "\u{a0}",
        "::1",
        "#",
        "service",
    ];
    // A generator that needs no crate: xorshift.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % n).unwrap_or(0)
    };
    let texts: Vec<String> = (0..40_000)
        .map(|_| {
            let start = ["postgresql://", "host=", "", "postgresql://u:p@h:1/d?"][below(4)];
            let pieces: Vec<&str> = (0..below(9)).map(|_| PIECES[below(40)]).collect();
            format!("{start}{}", pieces.concat())
        })
        .collect();
    compare(&texts);
}
