// The AWS SDK for JavaScript against `kmssim serve`: everything it knows comes from the profile in AWS_PROFILE (where it
// looks for endpoint_url) and, for the other client, from DENIED_PROFILE. Prints one JSON object.
import { DecryptCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";

const { DENIED_PROFILE, KEY_ID } = process.env;
const allowed = new KMSClient({ maxAttempts: 1 });
const denied = new KMSClient({ profile: DENIED_PROFILE, maxAttempts: 1 });
const context = { tenant: "a" };

const made = await allowed.send(
  new EncryptCommand({ KeyId: KEY_ID, Plaintext: Buffer.from("from JavaScript"), EncryptionContext: context }),
);
const decrypt = (client, encryptionContext) =>
  client.send(new DecryptCommand({ CiphertextBlob: made.CiphertextBlob, EncryptionContext: encryptionContext }));
const errorOf = (promise) => promise.then(() => null, (error) => error);

const read = await decrypt(allowed, context);
const wrongContext = await errorOf(decrypt(allowed, { tenant: "b" }));
const refusal = await errorOf(decrypt(denied, context));
console.log(
  JSON.stringify({
    allowed: {
      keyId: made.KeyId,
      plaintext: Buffer.from(read.Plaintext).toString(),
      wrongContext: wrongContext?.name,
    },
    denied: { name: refusal?.name, status: refusal?.$metadata?.httpStatusCode, message: refusal?.message },
  }),
);
