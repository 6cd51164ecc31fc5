/**
 * Applies the chosen theme before the page is painted. A classic script for that reason. Without a choice the page follows the
 * system. Browsers can deny storage; the choice then lasts until the page is closed.
 */
{
  let theme = null;
  try {
    theme = localStorage.getItem('theme');
  } catch {}
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
}
