// Typing a number of credits means that number, not the pack that was chosen before, and shows its
// price at once. The review says it again, from the server.

const SEPARATOR = "[, \u00a0\u2009\u202f]";
const WHOLE_NUMBER = new RegExp(
  `^(?:[0-9]+|[0-9]{1,3}(?:${SEPARATOR}[0-9]{2,3})*${SEPARATOR}[0-9]{3})$`,
);
const BASIS_POINTS = 10_000n;

const typed = document.querySelector("input[name='credits']");
const price = document.querySelector("[data-own-price]");

function wholeNumber(text) {
  return WHOLE_NUMBER.test(text) ? BigInt(text.replace(new RegExp(SEPARATOR, "g"), "")) : null;
}

function grouped(number) {
  return number.toLocaleString("en-US");
}

function money(minor, { currency, decimals }) {
  const unit = 10n ** BigInt(decimals);
  const coins = minor % unit ? `.${String(minor % unit).padStart(Number(decimals), "0")}` : "";
  return `${currency} ${grouped(minor / unit)}${coins}`;
}

// As `billing.topups.quote` computes it: tax is rounded half up to a minor unit.
function priceOf(text, terms) {
  const credits = wholeNumber(text.trim());
  if (credits === null || credits < BigInt(terms.min) || credits > BigInt(terms.max)) return "";
  const net = credits * BigInt(terms.minorPerCredit);
  const tax = (net * BigInt(terms.taxBasisPoints) + BASIS_POINTS / 2n) / BASIS_POINTS;
  const words = terms.tax ? `, ${terms.tax} included` : "";
  return `${money(net + tax, terms)} for ${grouped(credits)} ${credits === 1n ? "credit" : "credits"}${words}`;
}

function showPrice() {
  price.textContent = priceOf(typed.value, price.dataset);
}

if (typed && price) {
  showPrice();
  typed.addEventListener("input", () => {
    showPrice();
    if (typed.value) document.querySelector("input[data-own]").checked = true;
  });
}
