//! The values of a run's parameters.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::problem::{Code, Problem};
use super::report::{Path, Report};
use super::words::{listing, quote, suggestion};
use super::{Plan, PlannedParam, limits, size, value};

impl Plan {
    /// The values of all parameters: those that a run gives, else the defaults. `run` is an object of the run's name, uid,
    /// namespace, phase, reason and generation, for expressions. Values are as the API server will give them back, so that
    /// storing them changes nothing.
    ///
    /// # Errors
    ///
    /// Every mistake, each with a path such as `params.date`: at most 50 and then one that counts the rest.
    pub fn resolve_params(
        &self,
        given: Option<&Map<String, Value>>,
        run: &Value,
    ) -> Result<Map<String, Value>, Vec<Problem>> {
        let root = Path::Root("params");
        let mut report = Report::default();
        let mut resolved = Map::new();
        for param in &self.params {
            let name = &param.decl.name;
            // null is how a manifest says that it doesn't say.
            let given = given.and_then(|given| given.get(name)).filter(|value| !value.is_null());
            let value = param.value(given, run, &root.key(name), &mut report);
            resolved.extend(value.map(|value| (name.clone(), value)));
        }
        for name in given.into_iter().flat_map(Map::keys) {
            if !self.params.iter().any(|param| param.decl.name == *name) {
                report.add(Code::UnknownParam, &root.key(name), || {
                    let known = || self.params.iter().map(|param| param.decl.name.as_str());
                    let (advice, params) = (suggestion(name, known()), listing(known()));
                    let name = quote(name);
                    format!("the workflow declares no param `{name}`{advice}; its params are {params}")
                });
            }
        }
        if report.is_empty() {
            let bytes = size::serialised(&resolved);
            if bytes > limits::PARAM_BYTES {
                report.add(Code::ParamsTooLarge, &root, || {
                    let max = limits::PARAM_BYTES;
                    format!("the parameters have {bytes} bytes, {max} are allowed: pass large data by a volume or an object store")
                });
            }
        }
        report.finish("params", resolved)
    }
}

impl PlannedParam {
    fn value(&self, given: Option<&Value>, run: &Value, path: &Path<'_>, report: &mut Report) -> Option<Value> {
        // Before anything recurses over it.
        let before = report.len();
        size::check_value(given, path, report);
        if report.len() > before {
            return None;
        }
        let value = match (given, &self.decl.default, &self.default_expr) {
            (Some(value), ..) => value::normal(value),
            // Checked with the plan.
            (None, Some(default), _) => return Some(value::normal(default)),
            (None, None, Some(expr)) => {
                let roots = BTreeMap::from([("run".to_owned(), run.clone())]);
                match expr.evaluate(&roots) {
                    Ok(value) => value::normal(&value),
                    Err(error) => {
                        report.add(Code::ExpressionFailed, path, || format!("its defaultExpr has no value: {error}"));
                        return None;
                    }
                }
            }
            (None, None, None) => {
                report.add(Code::MissingParam, path, || {
                    let (name, kind) = (&self.decl.name, value::type_name(self.decl.kind));
                    format!("is required and not given: set spec.params.{name} of the run, of type {kind}")
                });
                return None;
            }
        };
        value::check(&self.decl, self.pattern.as_ref(), &value, path, report);
        Some(value)
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
