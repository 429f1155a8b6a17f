//! What `main` runs, and the rule that no value becomes part of a text that a shell reads.
//!
//! Kubernetes expands `$(NAME)` in command and args, and turns `$$` into `$`
//! (<https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/>).

use std::collections::BTreeSet;

use super::limits;
use super::problem::Code;
use super::report::{Path, Report};
use super::words::quote;

/// The shell of scripts, where a workflow names none.
const SHELL: [&str; 2] = ["sh", "-ec"];

/// The command that runs a script: the kubelet hands the script on as it was written.
pub(super) fn of_script(shell: Option<&Vec<String>>, script: &str) -> Vec<String> {
    let mut command = shell.cloned().unwrap_or_else(|| SHELL.map(str::to_owned).to_vec());
    command.push(protect(script));
    command
}

/// `text` so that Kubernetes' expansion turns it into `text`. A `$` is doubled only where the expansion would do something
/// to it, so that a script is as readable in the pod as in the workflow: before `(` and `$`, and before a character that is
/// not ASCII, of which the kubelet takes the first byte for a character.
fn protect(text: &str) -> String {
    let mut protected = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        protected.push(letter);
        let next = letters.peek();
        if letter == '$' && next.is_some_and(|next| matches!(next, '$' | '(') || !next.is_ascii()) {
            protected.push('$');
        }
    }
    protected
}

/// The variables that Kubernetes will expand in a text, each with what stands before and after it.
fn expansions(text: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        if let Some(escaped) = after.strip_prefix('$') {
            rest = escaped;
        } else if let Some((name, behind)) = after.strip_prefix('(').and_then(|open| open.split_once(')')) {
            // "$" and what follows it.
            let length = after.len().saturating_add(1);
            let before = text.get(..text.len().saturating_sub(length));
            found.push((before.unwrap_or_default(), name, behind));
            rest = behind;
        }
    }
    found
}

/// Says where the value of an expression would become part of a text: it may only be a whole element of a command, or end
/// one after `=`. `values` are the names of the variables that come from expressions.
pub(super) fn check_values<'w>(
    words: impl IntoIterator<Item = &'w str>,
    values: &BTreeSet<&str>,
    path: &Path<'_>,
    report: &mut Report,
) {
    if values.is_empty() {
        return;
    }
    for (at, word) in words.into_iter().enumerate() {
        for (before, name, after) in expansions(word) {
            let whole = after.is_empty() && (before.is_empty() || before.ends_with('='));
            if whole || !values.contains(name) {
                continue;
            }
            report.add(Code::ValueInText, &path.index(at), || {
                let name = quote(name);
                format!("$({name}) would write the value of an expression into a text; make it an element of its own, or end one with =$({name}); a shell reads it as \"${name}\"")
            });
        }
    }
}

/// Says what is wrong with a list of words: a shell, a command or its arguments.
pub(super) fn check_words(words: &[String], max: usize, max_bytes: usize, path: &Path<'_>, report: &mut Report) {
    if words.len() > max {
        report.add(Code::TooMany, path, || format!("has {} elements, {max} are allowed: use a script", words.len()));
    }
    for (at, word) in words.iter().enumerate() {
        check_text(word, max_bytes, &path.index(at), report);
    }
}

/// Says why no program could be given a text.
pub(super) fn check_text(text: &str, max_bytes: usize, path: &Path<'_>, report: &mut Report) {
    if text.len() > max_bytes {
        report.add(Code::TooLong, path, || {
            let count = text.len();
            format!("has {count} bytes, {max_bytes} are allowed: move it into the image or a ConfigMap")
        });
    }
    if text.contains('\0') {
        report.add(Code::NulCharacter, path, || {
            "has a NUL character, which no program can be given: remove it".to_owned()
        });
    }
}

/// Says what is wrong with a shell.
pub(super) fn check_shell(shell: Option<&Vec<String>>, path: &Path<'_>, report: &mut Report) {
    let Some(words) = shell else {
        return;
    };
    if words.iter().all(String::is_empty) {
        report.add(Code::EmptyCommand, path, || {
            "names no program: write [bash, -ec], or remove it for [sh, -ec]".to_owned()
        });
    }
    check_words(words, limits::SHELL_WORDS, limits::SHELL_WORD_BYTES, path, report);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The kubelet's expansion, byte by byte as it is written there
    /// (<https://github.com/kubernetes/kubernetes/blob/v1.36.0/third_party/forked/golang/expansion/expand.go>).
    fn expand(input: &[u8], value: &str) -> Vec<u8> {
        let (mut output, mut checkpoint, mut cursor) = (Vec::new(), 0, 0);
        while cursor < input.len() {
            if input[cursor] == b'$' && cursor + 1 < input.len() {
                output.extend(&input[checkpoint..cursor]);
                let rest = &input[cursor + 1..];
                let advance = match rest[0] {
                    b'$' => {
                        output.push(b'$');
                        1
                    }
                    b'(' => {
                        if let Some(close) = rest.iter().position(|b| *b == b')') {
                            output.extend(value.as_bytes());
                            close + 1
                        } else {
                            output.extend(b"$(");
                            1
                        }
                    }
                    byte => {
                        output.push(b'$');
                        output.extend(char::from(byte).to_string().as_bytes());
                        1
                    }
                };
                cursor += advance;
                checkpoint = cursor + 1;
            }
            cursor += 1;
        }
        output.extend(&input[checkpoint.min(input.len())..]);
        output
    }

    proptest! {
        #[test]
        fn a_protected_script_reaches_the_shell_byte_for_byte(script in "[$()aé= \n]{0,24}") {
            prop_assert_eq!(expand(protect(&script).as_bytes(), "EXPANDED"), script.into_bytes());
        }

        #[test]
        fn expansions_are_those_that_the_kubelet_makes(text in "[$()aX=]{0,16}") {
            let expanded = String::from_utf8(expand(text.as_bytes(), "\u{1}")).expect("utf-8");
            prop_assert_eq!(expansions(&text).len(), expanded.matches('\u{1}').count(), "{}", text);
        }
    }

    #[test]
    fn a_script_stays_readable() {
        assert_eq!(
            of_script(None, "echo \"$DATE\" ${X} $(date) $$ $"),
            ["sh", "-ec", "echo \"$DATE\" ${X} $$(date) $$$ $"]
        );
        assert_eq!(of_script(Some(&vec!["bash".into()]), "x"), ["bash", "x"]);
    }

    #[test]
    fn where_a_value_may_stand() {
        let values = BTreeSet::from(["V"]);
        let told = |word: &str| {
            let mut report = Report::default();
            check_values([word], &values, &Path::Root("args"), &mut report);
            report.len()
        };
        for good in ["$(V)", "--v=$(V)", "=$(V)", "$(OTHER)x", "$$(V)x", "$V", "$(V", "a$(W)=$(V)"] {
            assert_eq!(told(good), 0, "{good}");
        }
        for bad in ["echo $(V)", "$(V) ", "$(V)$(W)", "--v=$(V)x", "$$$(V)", "-v$(V)"] {
            assert_eq!(told(bad), 1, "{bad}");
        }
        assert_eq!(told("$(V)$(V)"), 2);
    }
}
