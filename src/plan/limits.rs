//! How large a workflow can be. The schema says the same where it can; here it holds for every spec, wherever its bytes
//! come from.

/// Tasks of a workflow.
pub const TASKS: usize = 5_000;
/// Tasks of a workflow written inline in a run.
pub const INLINE_TASKS: usize = 100;
/// Tasks of `finally`, of any workflow.
pub const FINALLY: usize = 50;
/// Tasks of a workflow that are done for every item of a list: of each the status of a run tells by itself.
pub const FOR_EACH_TASKS: usize = 500;
/// Bytes of a spec, serialised. An object in etcd is at most 1.5 MiB, and a run's bookkeeping needs room too.
pub const SPEC_BYTES: usize = 768 * 1024;
/// Bytes of a spec written inline, serialised.
pub const INLINE_SPEC_BYTES: usize = 64 * 1024;
/// How deep a podTemplate, a default or any other free-form value can be nested.
pub const NESTING: usize = 32;

/// Characters of a task's name, so that names of pods have room for the rest.
pub const TASK_NAME: usize = 40;
/// Characters of a name that is a DNS label: of a workflow, a run, a container.
pub const DNS_LABEL: usize = 63;
/// Characters of the name of a parameter or output.
pub const IDENTIFIER: usize = 63;
/// Characters of a description.
pub const DESCRIPTION: usize = 1_024;

/// Tasks that one task needs.
pub const NEEDS: usize = 5_000;
/// Characters of an image.
pub const IMAGE: usize = 512;
/// Bytes of a script: half of what Linux takes as one argument.
pub const SCRIPT_BYTES: usize = 64 * 1024;
/// Words of a shell.
pub const SHELL_WORDS: usize = 16;
/// Bytes of a word of a shell.
pub const SHELL_WORD_BYTES: usize = 1_024;
/// Elements of a command, and of its arguments.
pub const COMMAND_WORDS: usize = 256;
/// Bytes of an element of a command.
pub const COMMAND_WORD_BYTES: usize = 32 * 1024;
/// Environment variables of a task, and of the defaults.
pub const ENV: usize = 64;
/// Characters of the name of an environment variable.
pub const ENV_NAME: usize = 255;
/// Bytes of the value of an environment variable.
pub const ENV_VALUE_BYTES: usize = 32 * 1024;
/// Bytes of a podTemplate, or of the manifest of a resource, serialised.
pub const TEMPLATE_BYTES: usize = 32 * 1024;
/// Fields that are set in the manifest of a resource.
pub const SET: usize = 32;
/// Bytes of an object that a task is, serialised, without managedFields: a quarter of what etcd takes.
pub const RESOURCE_BYTES: usize = 256 * 1024;
/// Outputs of a task.
pub const OUTPUTS: usize = 32;
/// Volume claims of a workflow.
pub const VOLUME_CLAIMS: usize = 16;
/// Bytes of the spec of a volume claim, serialised.
pub const VOLUME_CLAIM_BYTES: usize = 4 * 1024;
/// Entries of resources.requests, and of limits.
pub const RESOURCES: usize = 32;
/// Characters of the name of a resource: a prefix of 253, a slash and a name of 63.
pub const RESOURCE_NAME: usize = 317;
/// Entries of podExpr.nodeSelector.
pub const NODE_SELECTOR: usize = 32;
/// Characters of the value of a label.
pub const LABEL_VALUE: usize = 63;
/// Characters of a quantity.
pub const QUANTITY: usize = 64;

/// Failures of its own after which a task can be tried again, and disruptions.
pub const RETRIES: u32 = 100;
/// By how much a wait can grow each time.
pub const BACKOFF_FACTOR: u32 = 10;
/// Rules of a retry.
pub const RETRY_RULES: usize = 16;
/// Exit codes of a rule.
pub const EXIT_CODES: usize = 64;

/// Runs of a workflow at the same time, where that is bounded.
pub const CONCURRENCY: u32 = 1_000;
/// Bytes of what the key of a concurrency comes to.
pub const CONCURRENCY_KEY_BYTES: usize = 253;
/// How deep child runs can be nested below a run that nobody's task is.
pub const CHILD_DEPTH: usize = 8;
/// Bytes of what a run hands on, serialised.
pub const RUN_OUTPUT_BYTES: usize = 64 * 1024;

/// Items of a list that a task is done for.
pub const ITEMS: usize = 20_000;
/// Values of a list that is written out.
pub const FOR_EACH_VALUES: usize = 1_000;
/// Bytes of such a list, serialised.
pub const FOR_EACH_VALUES_BYTES: usize = 64 * 1024;

/// Parameters of a workflow.
pub const PARAMS: usize = 64;
/// Bytes of the values of all parameters of a run, serialised.
pub const PARAM_BYTES: usize = 16 * 1024;
/// Values of an enum.
pub const CHOICES: usize = 64;
/// Characters of a pattern.
pub const PATTERN: usize = 256;
/// Bytes of a compiled pattern. Each `\w` of a repetition takes 49 kB, since it is every letter of every script: `\w+` and
/// `\w{5}` fit, `\w{6}` doesn't; an ASCII class takes next to nothing.
pub const PATTERN_PROGRAM_BYTES: usize = 256 * 1024;
/// Regular expressions of a spec in all: patterns of parameters, and calls of `matches`. Each may take 4 ms to compile and keep
/// 300 KiB, so that without a bound a spec of 95 kB could take 8 s and 600 MB.
pub const PATTERNS: usize = 32;
/// Greatest minLength or maxLength.
pub const LENGTH: u32 = 1_048_576;

/// Problems that are spelt out; the rest are counted.
pub const PROBLEMS: usize = 50;
/// Bytes of a problem's message.
pub const MESSAGE_BYTES: usize = 1_024;
