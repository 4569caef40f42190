import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: "module" },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: ["error", "always"],
      "no-var": "error",
      "prefer-const": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-console": ["error", { allow: ["warn", "error"] }],
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      // Text becomes markup in one place only: chat/markdown.js, which sanitises it.
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Use textContent, a template, or chat/markdown.js." },
        { property: "outerHTML", message: "Use textContent, a template, or chat/markdown.js." },
        { property: "insertAdjacentHTML", message: "Use textContent, a template, or chat/markdown.js." },
      ],
    },
  },
  { files: ["static/**/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["static/chat/js/markdown.js"], rules: { "no-restricted-properties": "off" } },
  { files: ["tests/js/**/*.js"], languageOptions: { globals: globals.node } },
];
