// Sets the stored or system theme before the first paint. A file of its own because the content security policy forbids inline scripts.
(function () {
  var stored = null;
  try {
    stored = localStorage.getItem('tidewatch.theme');
  } catch (_) {
    // storage may be blocked; the system's preference is used
  }
  var dark = stored ? stored === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
