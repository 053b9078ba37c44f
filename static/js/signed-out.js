// What a page asks for by itself may find that its session has ended: then the whole page goes to
// sign-in, which leads back here.
export const leaveIfSignedOut = (response) => {
  const address = response.status === 401 && response.headers.get("X-Sign-In");
  if (address) location.assign(address);
  return Boolean(address);
};
