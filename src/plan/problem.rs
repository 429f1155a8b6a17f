//! A mistake in a manifest, said so that its author can mend it.

use std::fmt;

/// Makes the enum, the list of all its members and their names from one table.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $code:ident,)+) => {
        /// A stable name for a kind of mistake, for tools and for searching the docs. Names are never reused or renamed.
        /// `gantline check --codes` prints them with what is said of each here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $doc])+ $code,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$code,)+];

            /// The name, as tools print it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Code::$code => stringify!($code),)+
                }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Code::$code => concat!($($doc),+).trim_ascii_start(),)+
                }
            }
        }
    };
}

codes! {
    // of the spec as a whole
    /// The spec has too many bytes.
    SpecTooLarge,
    /// A manifest or a free-form value is nested too deep.
    TooDeep,
    /// A text is longer than its bound.
    TooLong,
    /// A list, a map or a file has more entries than its bound.
    TooMany,
    /// A text has a NUL character, which no program can be given.
    NulCharacter,
    /// Further mistakes that are counted and not spelt out.
    MoreProblems,

    // of tasks
    /// There is no task.
    NoTasks,
    /// A task's name is no DNS label.
    BadTaskName,
    /// Two tasks have one name.
    DuplicateTask,
    /// A task needs a task that doesn't exist.
    UnknownNeed,
    /// A task needs another twice.
    DuplicateNeed,
    /// A task needs itself.
    SelfNeed,
    /// A task needs one of `finally`, or one of those needs a task that isn't.
    NeedAcrossFinally,
    /// Tasks need one another in a circle.
    Cycle,
    /// There is no trigger rule of that name.
    UnknownTriggerRule,
    /// A trigger rule looks at needs, and the task has none.
    RuleWithoutNeeds,
    /// A join has something of a container.
    JoinWithContainer,
    /// A task that is a run of its own has something of a container.
    ChildWithContainer,
    /// A task that is an object of any kind has something of a container or a child run.
    ResourceNotAlone,
    /// The manifest of a resource isn't that of an object.
    BadManifest,
    /// Nobody can allow tasks to make objects of a kind.
    ForbiddenKind,
    /// A JSON pointer is none, or leads to nothing that can be set.
    BadPointer,
    /// A param of a child run has no value, or a literal and an expression.
    ParamSource,
    /// A task has params and is no run of its own.
    ParamsWithoutChild,
    /// Workflows are written too deep in one another.
    NestedTooDeep,
    /// Workflows run one another in a circle.
    WorkflowCycle,
    /// Nothing says which image a task runs.
    NoImage,
    /// An image's name is empty or has blanks.
    BadImage,
    /// A task has a script and a command.
    ScriptAndCommand,
    /// A task has a shell and no script for it.
    ShellWithoutScript,
    /// A script, command or shell is empty.
    EmptyCommand,
    /// The value of an expression would become part of a text.
    ValueInText,

    // of items
    /// A forEach has no list, or two.
    ForEachList,
    /// A bound of a forEach, or its list as written, is out of bounds.
    BadForEach,
    /// The list of a forEach reads a task that its rule doesn't wait for.
    UnsettledList,
    /// An expression reads an item in a task without forEach.
    NoItem,

    // of time and of another try
    /// A text is no duration, or one out of bounds.
    BadDuration,
    /// A number of a retry or its backoff is out of bounds.
    BadRetry,
    /// A rule of a retry applies to nothing, or has several conditions.
    RuleCondition,
    /// A rule polls and doesn't say after which time, or says so and doesn't poll.
    PollAfter,
    /// A task polls and has no totalTimeout.
    PollWithoutEnd,

    // of runs at the same time
    /// The max of a concurrency is out of bounds.
    BadConcurrency,
    /// A workflow written inline has a concurrency.
    ConcurrencyInline,

    // of environment variables
    /// The name of an environment variable can't be used by a shell.
    BadEnvName,
    /// Two environment variables have one name.
    DuplicateEnv,
    /// The name of an environment variable is Gantline's own.
    ReservedEnv,
    /// An environment variable has no source or several.
    EnvSource,
    /// `valueFrom` names no source of Kubernetes', or several.
    BadValueFrom,

    // of expressions
    /// An expression is no CEL, or reads what it can't.
    BadExpression,
    /// An expression reads a parameter, or a run gives one, that isn't declared.
    UnknownParam,
    /// An expression reads a task that doesn't exist.
    UnknownTask,
    /// An expression reads a task that may not be finished by then.
    NotUpstream,
    /// An expression reads an output that isn't declared.
    UnknownOutput,
    /// A manifest sets, or an expression reads, a field that there isn't.
    UnknownField,
    /// An expression reads an output that may not be there by then; a warning.
    UnguardedOutput,
    /// An expression could not be evaluated.
    ExpressionFailed,

    // of parameters and outputs
    /// A name is no identifier.
    BadIdentifier,
    /// A name is a reserved word of CEL.
    ReservedWord,
    /// Two parameters have one name.
    DuplicateParam,
    /// Two outputs of a task have one name.
    DuplicateOutput,
    /// A parameter has `default` and `defaultExpr`.
    TwoDefaults,
    /// A rule has no meaning for values of this type.
    RuleForOtherType,
    /// A rule's own value is wrong, or its least is above its greatest.
    BadRule,
    /// A pattern is no regular expression, or too large a one.
    BadPattern,
    /// A required parameter wasn't given.
    MissingParam,
    /// A value is of another type.
    WrongType,
    /// A value is none of the enum.
    NotInEnum,
    /// A value is below min or above max.
    OutOfRange,
    /// A value is shorter than minLength or longer than maxLength.
    WrongLength,
    /// A value doesn't match the pattern.
    PatternMismatch,
    /// The parameters have too many bytes.
    ParamsTooLarge,
    /// The outputs of a run have too many bytes.
    OutputsTooLarge,

    // of resources and pod templates
    /// An amount of a resource is no quantity.
    BadQuantity,
    /// A name can't be that of a label.
    BadLabelName,
    /// A part of a podTemplate isn't what a Pod has there.
    BadTemplate,
    /// A podTemplate, or the manifest of a resource, sets what is Gantline's own.
    ReservedField,
    /// A volume claim has a name that no volume can have, or lacks what no claim can be without.
    BadVolumeClaim,
    /// Two volume claims have one name, or a podTemplate has a volume of that name.
    DuplicateVolume,
    /// No task mounts a volume claim; a warning.
    UnusedVolumeClaim,
    /// A container has no name, or another's, or `main` is in the wrong place.
    BadContainer,

    // of manifests, before they are a spec
    /// A file is no YAML, or holds what JSON can't.
    BadYaml,
    /// A key is set twice.
    DuplicateKey,
    /// There is no such version of the API group.
    UnknownVersion,
    /// There is no such kind.
    UnknownKind,
    /// An object's name is no DNS label.
    BadName,
    /// A field that is required isn't set.
    MissingField,
    /// Two items of a list are the same, or have one key.
    DuplicateItem,
    /// A rule of the schema about several fields is broken.
    RuleBroken,
    /// A run names a Workflow that is in none of the files.
    WorkflowNotGiven,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of mistake.
    pub code: Code,
    /// Where, as a path into the spec: `tasks[2].needs[0]`. Never empty.
    pub path: String,
    /// What is wrong and what to do, in a sentence of at most 1 KiB.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented_in_a_sentence_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            let meaning = code.meaning();
            assert!(meaning.ends_with('.') && meaning.len() > 10 && !meaning.starts_with(' '), "{code}: {meaning}");
            assert!(seen.insert(meaning), "{code} means the same as another: {meaning}");
        }
    }
}
