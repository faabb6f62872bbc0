/** A step of a consent or an authorization, as far as a browser keeps something of it. */
interface WithCookie {
  readonly cookie?: { readonly name: string; readonly value: string } | undefined;
}

/** A browser's cookies, for rooms that are asked without HTTP. */
export const openBrowser = () => {
  const jar = new Map<string, string>();
  return {
    jar,
    cookies: (name: string) => jar.get(name),
    take: <S extends object>(step: S): S => {
      const { cookie } = step as WithCookie;
      if (cookie) jar.set(cookie.name, cookie.value);
      return step;
    },
  };
};
export type Browser = ReturnType<typeof openBrowser>;
