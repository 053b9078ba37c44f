// Typing a number of credits means that number, not the pack that was chosen before.

document.addEventListener("input", (event) => {
  if (event.target.name !== "credits") return;
  const own = document.querySelector("input[data-own]");
  if (own && event.target.value) own.checked = true;
});
