//! From cel's syntax tree to ours: every name resolved, every function found, every read noted.
//!
//! All problems are collected. A part that has one becomes `null`, so that the rest can be looked at; the
//! tree is thrown away then.

use cel::common::ast::{CallExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators};

use super::function::{Function, NAMESPACES};
use super::node::{Access, Fold, Kind, Loop, Node, Operator};
use super::path::{path, subtracted_task};
use super::pattern;
use super::position::Positions;
use super::problem::{ExprProblem, ProblemKind, nearest};
use super::reference::{Place, Reads, enumerate};
use super::shape::shape;
use super::value::Type;

/// What is known while a tree is gone through.
pub(super) struct Lowering<'t> {
    place: Place,
    positions: Positions<'t>,
    /// The variables of the loops around, outermost first.
    locals: Vec<String>,
    pub(super) reads: Reads,
    pub(super) problems: Vec<ExprProblem>,
}

impl<'t> Lowering<'t> {
    pub(super) fn new(place: Place, positions: Positions<'t>) -> Lowering<'t> {
        Lowering { place, positions, locals: Vec::new(), reads: Reads::default(), problems: Vec::new() }
    }

    /// Our form of `expr`. Recurses; the caller has bounded the depth.
    pub(super) fn lower(&mut self, expr: &IdedExpr) -> Node {
        self.note_path(expr);
        self.lower_below(expr)
    }

    fn boxed(&mut self, expr: &IdedExpr) -> Box<Node> {
        Box::new(self.lower(expr))
    }

    /// The same for what a field or index is taken of: its path has been noted as a whole.
    fn lower_below(&mut self, expr: &IdedExpr) -> Node {
        let at = match &expr.expr {
            // A member call is at its name, not at the bracket after it.
            Expr::Call(CallExpr { func_name, target: Some(_), .. }) => self.positions.before(expr.id, func_name),
            _ => self.positions.at(expr.id),
        };
        let kind = match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => {
                let of = Box::new(self.lower_below(&select.operand));
                let field = select.field.clone();
                if select.test { Kind::Has(of, field) } else { Kind::Field(of, field, Access::Required) }
            }
            Expr::List(list) => self.list(list),
            Expr::Call(call) => self.call(expr, call),
            Expr::Comprehension(_) => self.comprehension(expr),
            Expr::Map(_) => self.unsupported(
                expr,
                "a map `{…}`",
                "pass values separately, or build JSON text with format() and json()",
            ),
            Expr::Struct(_) => self.unsupported(expr, "a message `Name{…}`", "there are no message types"),
            Expr::Unspecified => self.unsupported(expr, "this", "write a CEL expression"),
        };
        Node { at, kind }
    }

    fn problem(&mut self, expr: &IdedExpr, kind: ProblemKind) -> Kind {
        let at = self.positions.at(expr.id);
        self.problems.push(ExprProblem { at, kind });
        Kind::Null
    }

    fn unsupported(&mut self, expr: &IdedExpr, what: &str, advice: &'static str) -> Kind {
        let what = what.to_owned();
        self.problem(expr, ProblemKind::Unsupported { what, advice })
    }

    fn literal(&mut self, expr: &IdedExpr, literal: &LiteralValue) -> Kind {
        match literal {
            LiteralValue::Null => Kind::Null,
            LiteralValue::Boolean(value) => Kind::Bool(*value.inner()),
            LiteralValue::Int(value) => Kind::Int(*value.inner()),
            LiteralValue::Double(value) => Kind::Double(*value.inner()),
            LiteralValue::String(text) => Kind::Text(text.inner().to_owned()),
            LiteralValue::UInt(_) => {
                self.unsupported(expr, "an unsigned number", "all integers are int: leave out the `u`")
            }
            LiteralValue::Bytes(_) => self.unsupported(expr, "a bytes literal", "use a string: leave out the `b`"),
        }
    }

    /// An identifier; what it reads has been noted with the path it begins.
    fn name(&self, name: &str) -> Kind {
        let local = self.locals.iter().rposition(|local| local == name);
        if let Some(slot) = local {
            return Kind::Local(slot);
        }
        match Type::NAMED.into_iter().find(|named| named.name() == name) {
            Some(named) => Kind::Type(named),
            None => Kind::Root(name.to_owned()),
        }
    }

    /// Notes what is read if `expr` is a root, with or without fields after it.
    fn note_path(&mut self, expr: &IdedExpr) {
        let Some((root, root_id, segments)) = path(expr, &self.positions) else {
            return;
        };
        let is_type = Type::NAMED.iter().any(|named| named.name() == root);
        if is_type || self.locals.iter().any(|local| local == root) {
            return;
        }
        let at = self.positions.at(root_id);
        if self.place.roots().contains(&root) {
            let noted = self.reads.note(self.place, root, at, &segments);
            self.problems.extend(noted.err());
        } else {
            let locals = self.locals.iter().map(String::as_str);
            let known = self.place.roots().iter().copied().chain(locals);
            let kind = ProblemKind::UnknownName {
                name: root.to_owned(),
                suggestion: nearest(root, known),
                scope: enumerate(self.place.roots()),
            };
            self.problems.push(ExprProblem { at, kind });
        }
    }

    fn list(&mut self, list: &ListExpr) -> Kind {
        let elements = list.elements.iter().enumerate().map(|(index, element)| {
            let access = if list.optional_indices.contains(&index) { Access::Optional } else { Access::Required };
            (self.lower(element), access)
        });
        Kind::List(elements.collect())
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Kind {
        match (&call.target, call.args.as_slice()) {
            (None, [only]) if call.func_name == operators::LOGICAL_NOT => Kind::Not(self.boxed(only)),
            (None, [only]) if call.func_name == operators::NEGATE => Kind::Negate(self.boxed(only)),
            (None, [left, right]) => match self.binary(expr, &call.func_name, left, right) {
                Some(kind) => kind,
                None => self.function(expr, call),
            },
            (None, [condition, then, otherwise]) if call.func_name == operators::CONDITIONAL => {
                Kind::If(self.boxed(condition), self.boxed(then), self.boxed(otherwise))
            }
            (Some(list), [variable, key]) if call.func_name == "sortBy" => self.sort_by(list, variable, key),
            _ => self.function(expr, call),
        }
    }

    fn binary(&mut self, expr: &IdedExpr, name: &str, left: &IdedExpr, right: &IdedExpr) -> Option<Kind> {
        let operator = match name {
            operators::LOGICAL_AND => return Some(Kind::And(self.boxed(left), self.boxed(right))),
            operators::LOGICAL_OR => return Some(Kind::Or(self.boxed(left), self.boxed(right))),
            operators::INDEX => {
                return Some(Kind::Index(Box::new(self.lower_below(left)), self.boxed(right), Access::Required));
            }
            operators::OPT_INDEX => {
                return Some(Kind::Index(Box::new(self.lower_below(left)), self.boxed(right), Access::Optional));
            }
            operators::OPT_SELECT => {
                let of = Box::new(self.lower_below(left));
                let Expr::Literal(LiteralValue::String(field)) = &right.expr else {
                    return None;
                };
                return Some(Kind::Field(of, field.inner().to_owned(), Access::Optional));
            }
            operators::SUBSTRACT => {
                if let Some((name, id)) = subtracted_task(expr) {
                    let at = self.positions.at(id);
                    let kind = ProblemKind::TaskNameSubtracted { name };
                    self.problems.push(ExprProblem { at, kind });
                    return Some(Kind::Null);
                }
                Operator::Subtract
            }
            operators::ADD => Operator::Add,
            operators::MULTIPLY => Operator::Multiply,
            operators::DIVIDE => Operator::Divide,
            operators::MODULO => Operator::Remainder,
            operators::EQUALS => Operator::Equal,
            operators::NOT_EQUALS => Operator::NotEqual,
            operators::LESS => Operator::Less,
            operators::LESS_EQUALS => Operator::LessEqual,
            operators::GREATER => Operator::Greater,
            operators::GREATER_EQUALS => Operator::GreaterEqual,
            operators::IN => Operator::In,
            _ => return None,
        };
        Some(Kind::Binary(operator, self.boxed(left), self.boxed(right)))
    }

    /// A call of a function by name, with its namespace or its receiver.
    fn function(&mut self, expr: &IdedExpr, call: &CallExpr) -> Kind {
        let namespace = call.target.as_ref().and_then(|target| match &target.expr {
            Expr::Ident(name) if NAMESPACES.contains(&name.as_str()) && !self.locals.contains(name) => Some(name),
            _ => None,
        });
        let receiver = match namespace {
            Some(_) => None,
            None => call.target.as_deref(),
        };
        let name = match namespace {
            Some(namespace) => format!("{namespace}.{}", call.func_name),
            None => call.func_name.clone(),
        };
        let arguments: Vec<&IdedExpr> = receiver.into_iter().chain(&call.args).collect();
        if let ("matches", [text, pattern]) = (name.as_str(), arguments.as_slice()) {
            return self.matches(text, pattern);
        }
        let found = Function::find(&name, receiver.is_some(), arguments.len());
        if let Err(kind) = &found {
            let at = self.positions.before(expr.id, &call.func_name);
            let kind = kind.clone();
            self.problems.push(ExprProblem { at, kind });
            if Function::is_macro(&name) {
                // Its first argument would be taken for an unknown name.
                return Kind::Null;
            }
        }
        let arguments = arguments.into_iter().map(|argument| self.lower(argument));
        let arguments: Vec<Node> = arguments.collect();
        found.map_or(Kind::Null, |function| Kind::Call(function, arguments))
    }

    fn matches(&mut self, text: &IdedExpr, pattern: &IdedExpr) -> Kind {
        let text = self.boxed(text);
        let Expr::Literal(LiteralValue::String(literal)) = &pattern.expr else {
            return self.problem(pattern, ProblemKind::PatternNotLiteral);
        };
        match pattern::compile(literal.inner()) {
            Ok(compiled) => Kind::Matches(text, compiled),
            Err(kind) => self.problem(pattern, kind),
        }
    }

    fn comprehension(&mut self, expr: &IdedExpr) -> Kind {
        let Expr::Comprehension(inner) = &expr.expr else {
            return Kind::Null;
        };
        let Some(shape) = shape(inner) else {
            return self.unsupported(expr, "this macro", "use all, exists, exists_one, filter or map");
        };
        let range = self.lower(&inner.iter_range);
        self.bind(expr, &inner.iter_var);
        let filter = shape.filter.map(|filter| self.lower(filter));
        let body = self.lower(shape.body);
        self.locals.pop();
        let fold = shape.fold;
        Kind::Loop(Box::new(Loop { fold, range, filter, body }))
    }

    fn sort_by(&mut self, list: &IdedExpr, variable: &IdedExpr, key: &IdedExpr) -> Kind {
        let range = self.lower(list);
        let Expr::Ident(name) = &variable.expr else {
            let message = "the first argument is the name of a variable: list.sortBy(x, x.size)".to_owned();
            return self.problem(variable, ProblemKind::Syntax { message });
        };
        self.bind(variable, name);
        let body = self.lower(key);
        self.locals.pop();
        let fold = Fold::SortBy;
        Kind::Loop(Box::new(Loop { fold, range, filter: None, body }))
    }

    /// Opens the scope of a loop's variable, which may hide nothing.
    fn bind(&mut self, expr: &IdedExpr, name: &str) {
        let is_root = Place::Env.roots().contains(&name) || self.place.roots().contains(&name);
        let is_type = Type::NAMED.iter().any(|named| named.name() == name);
        if is_root || is_type || NAMESPACES.contains(&name) || self.locals.iter().any(|local| local == name) {
            let name = name.to_owned();
            self.problem(expr, ProblemKind::VariableHides { name });
        }
        self.locals.push(name.to_owned());
    }
}
