export {
  type Authority,
  type Issued,
  issueLeaf,
  type LeafOrder,
  makeAuthority,
  selfSign,
} from "./issue.ts";
export {
  type CertificateFacts,
  isIssuedBy,
  isKeyOf,
  readCertificate,
  splitBundle,
} from "./read.ts";
