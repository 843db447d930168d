//! The format: `key = value` on a line of its own, or behind a `;`.
//!
//! A key starts with a letter or `_`, and goes on with letters, digits, `_` and `.`. A value is an integer, a string in
//! `'..'` or `".."` (on one line, without escapes) or in `"""` over several lines, or a list `[ a, b ]` of integers
//! and strings, which may span lines and end in a comma. `#` starts a comment.

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The line it stands in, from 1.
    pub line: u32,
    /// What it is set to.
    pub value: Value,
}

/// A value as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An integer; which range is good is the key's matter.
    Integer(i64),
    /// An integer beyond `i64`.
    LargeInteger(u64),
    /// A string.
    Text(String),
    /// A list of the other kinds.
    List(Vec<Value>),
}

impl Value {
    /// The kind in words, as errors say it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Integer(_) | Self::LargeInteger(_) => "an integer",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
        }
    }
}

/// What is wrong, in which line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: u32,
    pub(super) reason: String,
}

/// All entries of `text`, in order.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Fault> {
    let mut reader = Reader { rest: text, line: 1 };
    let mut entries = Vec::new();
    loop {
        reader.skip_between_entries();
        if reader.rest.is_empty() {
            return Ok(entries);
        }
        entries.push(reader.entry()?);
    }
}

struct Reader<'t> {
    rest: &'t str,
    line: u32,
}

impl<'t> Reader<'t> {
    fn fault<T>(&self, reason: impl Into<String>) -> Result<T, Fault> {
        Err(Fault {
            line: self.line,
            reason: reason.into(),
        })
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes the first `bytes` bytes, which end at a character's end, and counts their lines.
    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        let lines = taken.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, good: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !good(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn take_if(&mut self, token: &str) -> bool {
        let found = self.rest.starts_with(token);
        if found {
            self.take(token.len());
        }
        found
    }

    fn skip_blanks(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t'));
    }

    fn skip_comment(&mut self) -> bool {
        let found = self.peek() == Some('#');
        if found {
            self.take_while(|c| c != '\n');
        }
        found
    }

    fn skip_between_entries(&mut self) {
        loop {
            self.take_while(|c| c.is_ascii_whitespace());
            if !self.skip_comment() {
                return;
            }
        }
    }

    fn entry(&mut self) -> Result<Entry, Fault> {
        let line = self.line;
        if !self.peek().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') {
            return self.fault("a key was expected here");
        }
        let key = self
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
            .to_owned();
        self.skip_blanks();
        if !self.take_if("=") {
            return self.fault(format!("'=' was expected after the key '{key}'"));
        }
        self.skip_blanks();
        let value = self.value(true)?;
        self.skip_blanks();
        self.skip_comment();
        match self.peek() {
            None | Some('\n' | '\r') => {}
            Some(';') => {
                self.take(1);
            }
            Some(_) => return self.fault(format!("nothing more was expected after the value of '{key}'")),
        }
        Ok(Entry { key, line, value })
    }

    fn value(&mut self, list_allowed: bool) -> Result<Value, Fault> {
        match self.peek() {
            Some('"') if self.take_if("\"\"\"") => self.text("\"\"\"", true),
            Some('"') => {
                self.take(1);
                self.text("\"", false)
            }
            Some('\'') => {
                self.take(1);
                self.text("'", false)
            }
            Some('[') if list_allowed => {
                self.take(1);
                self.list()
            }
            Some('[') => self.fault("a list may not stand in a list"),
            Some(c) if c.is_ascii_digit() || matches!(c, '+' | '-') => self.integer(),
            _ => self.fault("a value was expected here: an integer, a quoted string or a [ list ]"),
        }
    }

    fn text(&mut self, quote: &str, many_lines: bool) -> Result<Value, Fault> {
        let end = self.rest.find(quote);
        let Some(end) =
            end.filter(|end| many_lines || !self.rest.get(..*end).is_some_and(|text| text.contains('\n')))
        else {
            return self.fault(format!("the string has no closing {quote}"));
        };
        let text = self.take(end).to_owned();
        self.take(quote.len());
        if text.contains('\0') {
            return self.fault("a string may not hold a zero byte");
        }
        Ok(Value::Text(text))
    }

    fn integer(&mut self) -> Result<Value, Fault> {
        let end = self
            .rest
            .char_indices()
            .find(|(at, c)| !(c.is_ascii_digit() || (*at == 0 && "+-".contains(*c))));
        let digits = self.take(end.map_or(self.rest.len(), |(at, _)| at));
        match (digits.parse(), digits.parse()) {
            (Ok(number), _) => Ok(Value::Integer(number)),
            (_, Ok(number)) => Ok(Value::LargeInteger(number)),
            _ => self.fault(format!("'{digits}' is no integer of 64 bits")),
        }
    }

    fn list(&mut self) -> Result<Value, Fault> {
        let opened = self.line;
        let mut values = Vec::new();
        loop {
            self.skip_between_entries();
            if self.take_if("]") {
                return Ok(Value::List(values));
            }
            if self.rest.is_empty() {
                return Err(Fault {
                    line: opened,
                    reason: "the list has no closing ]".to_owned(),
                });
            }
            values.push(self.value(false)?);
            self.skip_between_entries();
            if !self.take_if(",") && !self.rest.starts_with(']') {
                return self.fault("',' or ']' was expected in the list");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[(&str, u32, Value)]) {
        let entries: Vec<_> = expected
            .iter()
            .map(|(key, line, value)| Entry {
                key: (*key).to_owned(),
                line: *line,
                value: value.clone(),
            })
            .collect();
        assert_eq!(parse(text), Ok(entries), "{text:?}");
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn refused(input: &str, line: u32, part: &str) {
        let fault = parse(input).unwrap_err();
        assert!(
            fault.line == line && fault.reason.contains(part),
            "{input:?}: {fault:?}"
        );
    }

    #[test]
    fn what_administrators_write() {
        check("# nothing\n\n  # more\n", &[]);
        check(
            "a = 1 # one\r\nb=-2;c = '#'",
            &[
                ("a", 1, Value::Integer(1)),
                ("b", 2, Value::Integer(-2)),
                ("c", 2, text("#")),
            ],
        );
        check(
            "user = \"it's\"\nx.y_2 = 'say \"hi\"'",
            &[("user", 1, text("it's")), ("x.y_2", 2, text("say \"hi\""))],
        );
        check(
            "l = [\n  \"a\", # first\n  2,\n]\nm = []\nn = \"\"\"one\ntwo 3\"\"\"",
            &[
                ("l", 1, Value::List(vec![text("a"), Value::Integer(2)])),
                ("m", 5, Value::List(vec![])),
                ("n", 6, text("one\ntwo 3")),
            ],
        );
        check(
            "a = 18446744073709551615",
            &[("a", 1, Value::LargeInteger(u64::MAX))],
        );
    }

    #[test]
    fn what_is_no_configuration() {
        refused("a = 1\nb = foo", 2, "value was expected");
        refused("a = 1 b = 2", 1, "nothing more");
        refused("a = \"x\ny\"", 1, "no closing");
        refused("a =\n1", 1, "value was expected");
        refused("a.b-c = 1", 1, "'='");
        refused("; comment", 1, "key was expected");
        refused("\n1a = 1", 2, "key was expected");
        refused("a = [ 1 2 ]", 1, "',' or ']'");
        refused("a = [ 1,\n", 1, "closing ]");
        refused("a = [[[[", 1, "in a list");
        refused("a = 99999999999999999999", 1, "64 bits");
        refused("a = -", 1, "64 bits");
        refused("a = '\0'", 1, "zero byte");
    }

    proptest! {
        #[test]
        fn anything_ends_in_an_answer(input in ".{0,200}") {
            let _ = parse(&input);
        }

        #[test]
        fn near_misses_end_in_an_answer(input in r#"([a-c]{0,2}[ =\[\],;#'"\n0-9-]{0,6}){0,12}"#) {
            if let Err(fault) = parse(&input) {
                prop_assert!(fault.line as usize <= 1 + input.matches('\n').count());
            }
        }

        #[test]
        fn what_is_written_is_read(key in "[a-z_][a-z0-9_.]{0,8}", number: i64, list in proptest::collection::vec("[^'\n\0]{0,6}", 0..4)) {
            let quoted: Vec<_> = list.iter().map(|item| format!("'{item}'")).collect();
            let written = format!("{key} = {number}\nlist = [{}]", quoted.join(","));
            let entries = parse(&written).unwrap();
            prop_assert_eq!(&entries[0].value, &Value::Integer(number));
            prop_assert_eq!(&entries[1].value, &Value::List(list.into_iter().map(Value::Text).collect()));
        }
    }
}
