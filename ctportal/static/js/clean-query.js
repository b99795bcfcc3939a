// A form of filters marked data-clean-query puts only the filters in use into the address.
document.body.addEventListener("htmx:configRequest", (event) => {
  if (!event.target.matches("form[data-clean-query]")) return;
  const { parameters } = event.detail;
  for (const name of Object.keys(parameters)) {
    if (parameters[name] === "") delete parameters[name];
  }
});
