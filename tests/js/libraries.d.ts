// The browser's libraries that bring no types under the name that we import them by.
declare module "highlight.js" {
  const highlighter: any;
  export default highlighter;
}
