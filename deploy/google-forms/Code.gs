/**
 * Sends every answer of this form to the NPS connector, signed.
 *
 * 1. In the form: ⋮ → Apps Script. Replace what is there by this file, and save.
 * 2. Project settings → Script properties: NPS_ADDRESS (https://<your host>/v1/webhooks/<name>)
 *    and NPS_SECRET (the secret of that source).
 * 3. Run `setUp` once and allow what it asks for; run `sendTest`; run `showQuestions` for the ids.
 *
 * An answer is sent when it is given. What could not be sent then is sent within the hour by
 * `catchUp`, which sends everything since the last time once more: the connector knows an answer
 * that it has seen.
 */

function setUp() {
  const form = FormApp.getActiveForm();
  ScriptApp.getProjectTriggers().forEach((trigger) => ScriptApp.deleteTrigger(trigger));
  ScriptApp.newTrigger('onAnswer').forForm(form).onFormSubmit().create();
  ScriptApp.newTrigger('catchUp').timeBased().everyHours(1).create();
  const properties = PropertiesService.getScriptProperties();
  if (!properties.getProperty('NPS_SENT_UNTIL')) {
    properties.setProperty('NPS_SENT_UNTIL', String(Date.now()));
  }
}

/** The trigger of the form: one answer. */
function onAnswer(event) {
  send_(answerOf_(event.source, event.response));
}

/** The trigger of the clock: what came since the last time, oldest first, until one fails. */
function catchUp() {
  const properties = PropertiesService.getScriptProperties();
  const form = FormApp.getActiveForm();
  const since = new Date(Number(properties.getProperty('NPS_SENT_UNTIL')));
  const answers = form.getResponses(since);
  answers.sort((a, b) => a.getTimestamp() - b.getTimestamp());
  // A run may take six minutes; what is left waits for the next one.
  const end = Date.now() + 4 * 60 * 1000;
  for (const answer of answers) {
    if (Date.now() > end) return;
    send_(answerOf_(form, answer));
    properties.setProperty('NPS_SENT_UNTIL', String(answer.getTimestamp().getTime()));
  }
}

/** Says that address and secret are right; the connector does not count it. */
function sendTest() {
  send_({ event: 'test', form_id: FormApp.getActiveForm().getId() });
  console.log('accepted');
}

/** Writes each question's id, type and text to the log: an id survives a new wording. */
function showQuestions() {
  FormApp.getActiveForm().getItems().forEach((item) => {
    console.log(item.getId() + '  ' + item.getType() + '  ' + item.getTitle());
  });
}

function answerOf_(form, response) {
  return {
    form_id: form.getId(),
    form_title: form.getTitle(),
    response_id: response.getId(),
    submitted_at: response.getTimestamp().toISOString(),
    // Empty where the form does not collect addresses.
    respondent_email: response.getRespondentEmail(),
    answers: response.getItemResponses().map((answer) => ({
      id: String(answer.getItem().getId()),
      title: answer.getItem().getTitle(),
      type: String(answer.getItem().getType()),
      value: valueOf_(answer.getResponse()),
    })),
  };
}

/** A text, or a list of texts; a row of a grid of tick boxes is one text. */
function valueOf_(value) {
  if (!Array.isArray(value)) return value;
  return value.map((one) => (Array.isArray(one) ? one.join(', ') : one || ''));
}

/** Throws when the connector does not accept: Google then tells you by e-mail. */
function send_(message) {
  const properties = PropertiesService.getScriptProperties();
  // Plain ASCII, so that the bytes which are signed are the bytes which are sent.
  const body = JSON.stringify(message).replace(
    /[\u007f-\uffff]/g,
    (letter) => '\\u' + ('0000' + letter.charCodeAt(0).toString(16)).slice(-4)
  );
  const timestamp = String(Math.floor(Date.now() / 1000));
  const answer = UrlFetchApp.fetch(properties.getProperty('NPS_ADDRESS'), {
    method: 'post',
    contentType: 'application/json',
    payload: body,
    headers: {
      'X-NPS-Timestamp': timestamp,
      'X-NPS-Signature': 'sha256=' + signature_(timestamp + '.' + body),
    },
    muteHttpExceptions: true,
    followRedirects: false,
  });
  if (answer.getResponseCode() !== 202) {
    throw new Error('the connector answered ' + answer.getResponseCode());
  }
}

function signature_(text) {
  const secret = PropertiesService.getScriptProperties().getProperty('NPS_SECRET');
  const bytes = Utilities.computeHmacSha256Signature(text, secret, Utilities.Charset.UTF_8);
  // Apps Script's bytes are signed numbers.
  return bytes.map((byte) => ('0' + (byte & 255).toString(16)).slice(-2)).join('');
}
