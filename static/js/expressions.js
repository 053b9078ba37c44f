// Evaluates the expressions in the operators' theme, which Alpine.js would hand to `Function`: that
// the policy forbids. Read here is the part of JavaScript that the theme is written in. Expressions
// reach Alpine's data, the functions of the theme, and the names below: markup that somebody got
// into a page can't run code of theirs.

document.addEventListener("alpine:init", () => {
  const { Alpine } = window;
  const TOKEN = new RegExp([
    /\s+/,
    /(\d+)/,
    /'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/,
    /([A-Za-z_$][\w$]*)/,
    /([=!]==?|=>|[<>]=?|&&|\|\||[-+!?:;,.=(){}[\]])/,
  ].map((part) => part.source).join("|"), "y");
  const WORDS = { true: true, false: false, null: null, undefined: undefined };
  const OPERATORS = [
    { "||": (left, right) => left() || right() },
    { "&&": (left, right) => left() && right() },
    {
      "==": (left, right) => left() == right(),
      "!=": (left, right) => left() != right(),
      "===": (left, right) => left() === right(),
      "!==": (left, right) => left() !== right(),
    },
    {
      "<": (left, right) => left() < right(),
      ">": (left, right) => left() > right(),
      "<=": (left, right) => left() <= right(),
      ">=": (left, right) => left() >= right(),
    },
    { "+": (left, right) => left() + right(), "-": (left, right) => left() - right() },
  ];
  const { location, localStorage } = window;
  const address = Object.freeze({
    get pathname() { return location.pathname; },
    get search() { return location.search; },
  });
  const OUTSIDE = { localStorage, window: Object.freeze({ location: address }) };
  const THEME = ["theme", "searchForm", "searchDropdown", "searchCommand", "getCurrentTab", "sortRecords"];
  // Of what is no plain object, such as an element or an event.
  const READABLE = new Set(["length", "includes", "toLowerCase", "getItem", "setItem", "target",
    "tagName", "value", "blur", "metaKey", "ctrlKey"]);
  const WRITABLE = new Set(["value"]);

  const isPlain = (object) => [Object.prototype, null].includes(Object.getPrototypeOf(object));
  const check = (object, name, names) => {
    const isOpen = typeof object === "object" && isPlain(object) && !(name in Object.prototype);
    if (!isOpen && !names.has(name)) throw new TypeError(`An expression may not use “${name}” of this`);
  };
  const has = (scope, name) => !(name in Object.prototype) && name in scope;
  const read = (scope, name) => {
    if (has(scope, name)) return scope[name];
    if (Object.hasOwn(OUTSIDE, name)) return OUTSIDE[name];
    if (THEME.includes(name)) return window[name];
    throw new ReferenceError(`An expression names “${name}”, which it can't have`);
  };

  // Each part of an expression becomes a function of the scope: `of` says its value. What can be
  // called as something's own, or assigned to, also says how.
  const parse = (text) => {
    const tokens = [];
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.length) {
      const found = TOKEN.exec(text);
      if (!found) throw new SyntaxError(`This expression can't be read: ${text}`);
      const [, number, single, double, name, sign] = found;
      const string = single ?? double;
      if (number) tokens.push({ value: Number(number) });
      else if (string !== undefined) tokens.push({ value: string.replace(/\\(.)/g, "$1") });
      else if (name ?? sign) tokens.push({ name, sign: sign ?? name });
    }
    tokens.push({ sign: "the end" });
    let at = 0;
    const next = () => tokens[at].sign;
    const takes = (sign) => next() === sign && Boolean(++at);
    const needs = (sign) => {
      if (!takes(sign)) throw new SyntaxError(`“${sign}” is missing: ${text}`);
    };
    const list = (end, item) => {
      const items = [];
      while (!takes(end)) {
        items.push(item());
        if (next() !== end) needs(",");
      }
      return items;
    };

    const pair = () => {
      const { name, value } = tokens[at++];
      needs(":");
      return [name ?? value, assigned()];
    };
    const primary = () => {
      const token = tokens[at++];
      if ("value" in token) return { of: () => token.value };
      if (token.sign === "(") {
        const inner = assigned();
        needs(")");
        return { of: inner };
      }
      if (token.sign === "[") {
        const items = list("]", assigned);
        return { of: (scope) => items.map((item) => item(scope)) };
      }
      if (token.sign === "{") {
        const pairs = list("}", pair);
        return { of: (scope) => Object.fromEntries(pairs.map(([key, value]) => [key, value(scope)])) };
      }
      const { name } = token;
      if (!name) throw new SyntaxError(`“${token.sign}” is not expected: ${text}`);
      if (Object.hasOwn(WORDS, name)) return { of: () => WORDS[name] };
      if (takes("=>")) {
        const body = assigned();
        return { of: (scope) => (value) => body(Alpine.mergeProxies([{ [name]: value }, scope])) };
      }
      return {
        of: (scope) => read(scope, name),
        call: (scope, values) => read(scope, name).apply(has(scope, name) ? scope : undefined, values),
        assign: (scope, value) => {
          if (name in Object.prototype) throw new TypeError(`“${name}” can't be assigned to`);
          scope[name] = value;
        },
      };
    };
    const member = (object, key) => {
      const get = (holder, name) => {
        check(holder, name, READABLE);
        return holder[name];
      };
      return {
        of: (scope) => get(object(scope), key(scope)),
        call: (scope, values) => {
          const holder = object(scope);
          return get(holder, key(scope)).apply(holder, values);
        },
        assign: (scope, value) => {
          const [holder, name] = [object(scope), key(scope)];
          check(holder, name, WRITABLE);
          holder[name] = value;
        },
      };
    };
    const called = ({ of, call }, parameters) => ({
      of: (scope) => {
        const values = parameters.map((each) => each(scope));
        return call ? call(scope, values) : of(scope)(...values);
      },
    });
    const chain = () => {
      let found = primary();
      for (;;) {
        if (takes(".")) {
          const { name } = tokens[at++];
          found = member(found.of, () => name);
        } else if (takes("[")) {
          found = member(found.of, assigned());
          needs("]");
        } else if (takes("(")) {
          found = called(found, list(")", assigned));
        } else return found;
      }
    };
    const unary = () => {
      if (!takes("!")) return chain();
      const { of } = unary();
      return { of: (scope) => !of(scope) };
    };
    const binary = (level) => {
      if (level === OPERATORS.length) return unary();
      let left = binary(level + 1);
      while (Object.hasOwn(OPERATORS[level], next() ?? "")) {
        const work = OPERATORS[level][tokens[at++].sign];
        const [first, second] = [left.of, binary(level + 1).of];
        left = { of: (scope) => work(() => first(scope), () => second(scope)) };
      }
      return left;
    };
    function assigned() {
      const { of, assign } = binary(0);
      if (assign && takes("=")) {
        const value = assigned();
        return (scope) => assign(scope, value(scope));
      }
      if (!takes("?")) return of;
      const yes = assigned();
      needs(":");
      const no = assigned();
      return (scope) => (of(scope) ? yes(scope) : no(scope));
    }
    const statements = (end) => {
      const found = [];
      while (next() !== end) {
        found.push(statement());
        while (takes(";"));
      }
      return (scope) => found.map((each) => each(scope)).at(0);
    };
    const block = () => {
      if (!takes("{")) return statement();
      const body = statements("}");
      needs("}");
      return body;
    };
    function statement() {
      if (!takes("if")) return assigned();
      needs("(");
      const condition = assigned();
      needs(")");
      const [yes, no] = [block(), takes("else") ? block() : () => {}];
      return (scope) => void (condition(scope) ? yes : no)(scope);
    }
    return statements("the end");
  };

  // One that fails must not keep the others of the page from being evaluated.
  const report = (error) => { setTimeout(() => { throw error; }); };
  const parsed = new Map();
  const prepare = (expression) => {
    if (typeof expression === "function") return (scope, params) => expression.apply(scope, params);
    if (!parsed.has(expression)) parsed.set(expression, parse(expression));
    return parsed.get(expression);
  };

  // Alpine asks once for each expression, and calls what it gets as often as the data changes. Its
  // own names, such as $refs, are among the data.
  Alpine.setEvaluator((element, expression) => {
    const stack = Alpine.closestDataStack(element);
    let evaluate = () => undefined;
    try {
      evaluate = prepare(expression);
    } catch (error) {
      report(error);
    }
    return (receive = () => {}, { scope = {}, params = [] } = {}) => {
      try {
        const whole = Alpine.mergeProxies([scope, ...stack]);
        const value = evaluate(whole, params);
        receive(typeof value === "function" ? value.apply(whole, params) : value);
      } catch (error) {
        report(error);
      }
    };
  });
});
