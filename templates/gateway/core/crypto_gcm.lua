-- AES-256-GCM (NIST SP 800-38D) by libcrypto. A sealed text is 12 bytes of random nonce, the ciphertext, 16 bytes of
-- tag. With random nonces one key may seal 2^32 texts at the most: derive keys for what is sealed often.
local ffi = require "ffi"

ffi.cdef [[
typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;
typedef struct evp_cipher_st EVP_CIPHER;
EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *ctx, int type, int arg, void *ptr);
const EVP_CIPHER *EVP_aes_256_gcm(void);
int EVP_EncryptInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, void *engine, const unsigned char *key,
  const unsigned char *iv);
int EVP_EncryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl, const unsigned char *in, int inl);
int EVP_EncryptFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl);
int EVP_DecryptInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, void *engine, const unsigned char *key,
  const unsigned char *iv);
int EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl, const unsigned char *in, int inl);
int EVP_DecryptFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl);
int RAND_bytes(unsigned char *buf, int num);
void ERR_clear_error(void);
]]

local C = ffi.C
local GET_TAG, SET_TAG = 0x10, 0x11
local NONCE, TAG, KEY = 12, 16, 32

local M = {}
local ctx, length, nonce, tag = nil, ffi.new "int[1]", ffi.new "unsigned char[12]", ffi.new "unsigned char[16]"
local buffer, room = nil, 0

--- At least `size` bytes that the next call may overwrite.
local function space(size)
  if size > room then
    room = math.max(4096, 2 * size)
    buffer = ffi.new("unsigned char[?]", room)
  end
  return buffer
end

local function check(ok)
  if ok ~= 1 then error("libcrypto: AES-256-GCM failed", 0) end
end

local function ready(key)
  assert(#key == KEY, "a key of 32 bytes is needed")
  if not ctx then ctx = C.EVP_CIPHER_CTX_new() end
end

--- @param aad what the text belongs to: it only opens together with the same
function M.seal(key, aad, text)
  ready(key)
  local out = space(#text + TAG)
  check(C.RAND_bytes(nonce, NONCE))
  check(C.EVP_EncryptInit_ex(ctx, C.EVP_aes_256_gcm(), nil, key, nonce))
  check(C.EVP_EncryptUpdate(ctx, nil, length, aad, #aad))
  check(C.EVP_EncryptUpdate(ctx, out, length, text, #text))
  check(C.EVP_EncryptFinal_ex(ctx, out + #text, length))
  check(C.EVP_CIPHER_CTX_ctrl(ctx, GET_TAG, TAG, out + #text))
  return ffi.string(nonce, NONCE) .. ffi.string(out, #text + TAG)
end

--- @return the text, or nil when a bit of it, of the key or of `aad` is another
function M.open(key, aad, sealed)
  ready(key)
  local size = #sealed - NONCE - TAG
  if size < 0 then return nil end
  local out = space(size + TAG)
  local from = ffi.cast("const unsigned char *", sealed)
  ffi.copy(tag, from + NONCE + size, TAG)
  check(C.EVP_DecryptInit_ex(ctx, C.EVP_aes_256_gcm(), nil, key, from))
  check(C.EVP_DecryptUpdate(ctx, nil, length, aad, #aad))
  check(C.EVP_DecryptUpdate(ctx, out, length, from + NONCE, size))
  check(C.EVP_CIPHER_CTX_ctrl(ctx, SET_TAG, TAG, tag))
  if C.EVP_DecryptFinal_ex(ctx, out + size, length) ~= 1 then
    -- nginx would log what we leave in OpenSSL's queue of errors against its next connection.
    C.ERR_clear_error()
    return nil
  end
  return ffi.string(out, size)
end

return M
